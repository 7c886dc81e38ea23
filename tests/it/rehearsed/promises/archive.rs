//! The rehearsed archive, held to the promises.

use super::Stage;
use crate::contract::promises::archive::{Backup, Damage, Shelves, archive};
use innkeeper::edges::{Archive, Edge};
use innkeeper::model::backup::{BackupId, Part};
use innkeeper::model::name::InstanceName;

archive!(Stage);

impl Shelves for Stage {
    fn archive(&self) -> &dyn Archive {
        &self.rehearsal
    }

    fn sound(&self, part: Part) -> Vec<u8> {
        innkeeper::adapters::rehearsal::world::stored(part, 1, 0)
    }

    fn damage(&self, backup: &Backup, part: Part, change: &Damage) {
        self.rehearsal.with(|world| {
            let parts = &mut world.archive.get_mut(&backup.id).unwrap().parts;
            let bytes = parts.remove(&part).unwrap();
            parts.extend(change(bytes).map(|bytes| (part, bytes)));
        });
    }

    fn copy(&self, backup: &Backup, copy: &BackupId) {
        self.rehearsal.with(|world| {
            let stored = world.archive[&backup.id].clone();
            world.archive.insert(copy.clone(), stored);
        });
    }

    fn is_there(&self, instance: &InstanceName, id: &BackupId) -> bool {
        self.rehearsal
            .with(|world| world.archive.get(id).is_some_and(|backup| backup.instance.as_ref() == Some(instance)))
    }

    fn break_down(&self) {
        self.take_down(Edge::Archive);
    }
}
