//! What else can stand in `instances.d`.

use super::{Place, instance_text, of, told};
use expect_test::{Expect, expect};
use innkeeper::spec::FILE_BYTES_MAX;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

/// What is told of a fleet in which `put` placed something beside a good instance.
fn check(put: impl Fn(&Place), expected: Expect) {
    let place = Place::new();
    place.put_instance("bystander", &instance_text(""));
    put(&place);
    let mut reader = place.reader();
    let fleet = reader.read().expect("a fleet");
    expected.assert_eq(&told(&fleet));
    assert!(fleet.complete && of(&fleet, "bystander").valid);
    assert_eq!(reader.parses(), 3, "settings, plans and the good one; nothing else was parsed");
}

#[test]
fn editor_leftovers_and_other_files_are_passed_over() {
    let put = |place: &Place| {
        for name in [".acme.toml", ".acme.toml.swp", "acme.toml~", "#acme.toml#", "acme.toml.bak", "README.md", ".git"]
        {
            place.put(&format!("instances.d/{name}"), "nonsense");
        }
        std::fs::create_dir(place.path("instances.d/folder")).expect("a folder");
        place.put("instances.d/acme.tml", "nonsense");
    };
    check(put, expect![""]);
    let place = Place::new();
    put(&place);
    let fleet = place.reader().read().expect("a fleet");
    let strays: String = fleet.strays.iter().map(|stray| format!("{stray}\n")).collect();
    expect![[r#"
        instances.d/acme.tml: not taken for an instance's file: its name does not end in .toml [IK0138]
          hint: if it is one, rename it to acme.toml; else keep it elsewhere
        instances.d/folder: directories in instances.d are not looked into [IK0138]
          hint: put the files of instances into instances.d itself
    "#]]
    .assert_eq(&strays);
}

#[test]
fn a_large_file_is_refused_unread() {
    let put = |place: &Place| place.put_instance("acme", &"#".repeat(5_000_000));
    check(
        put,
        expect![[r#"
            instances.d/acme.toml: the file has 5000000 bytes, and may have 1048576 [IK0104]
              hint: it was not read; is it the right file?
        "#]],
    );
    let place = Place::new();
    let text = instance_text("");
    let filler = "#".repeat(FILE_BYTES_MAX as usize - text.len());
    place.put_instance("acme", &format!("{text}{filler}"));
    assert!(of(&place.reader().read().expect("a fleet"), "acme").valid, "the limit itself is allowed");
}

#[test]
fn what_is_not_a_file_is_named() {
    let folder = |place: &Place| std::fs::create_dir(place.path("instances.d/acme.toml")).expect("a folder");
    check(
        folder,
        expect![[r#"
        instances.d/acme.toml: a directory stands where a file is expected [IK0102]
    "#]],
    );
    let pipe = |place: &Place| {
        let made = std::process::Command::new("mkfifo").arg(place.path("instances.d/acme.toml")).status();
        assert!(made.expect("mkfifo runs").success());
    };
    check(
        pipe,
        expect![[r#"
        instances.d/acme.toml: a pipe stands where a file is expected [IK0102]
    "#]],
    );
    let device = |place: &Place| symlink("/dev/zero", place.path("instances.d/acme.toml")).expect("a link");
    check(
        device,
        expect![[r#"
        instances.d/acme.toml: a device stands where a file is expected [IK0102]
    "#]],
    );
}

#[test]
fn symlinks_are_followed_as_far_as_they_lead() {
    let nowhere = |place: &Place| symlink("nowhere", place.path("instances.d/acme.toml")).expect("a link");
    check(
        nowhere,
        expect![[r#"
        instances.d/acme.toml: a symlink that leads nowhere [IK0102]
    "#]],
    );
    let circle = |place: &Place| symlink("acme.toml", place.path("instances.d/acme.toml")).expect("a link");
    check(
        circle,
        expect![[r#"
        instances.d/acme.toml: a symlink that leads in a circle [IK0102]
    "#]],
    );
    let place = Place::new();
    place.put("real", instance_text(""));
    symlink("../real", place.path("instances.d/acme.toml")).expect("a link");
    assert!(of(&place.reader().read().expect("a fleet"), "acme").valid);
}

#[test]
fn a_file_that_the_system_does_not_read_is_told_in_its_words() {
    // Reading this process's memory at address 0 fails for every user.
    let put = |place: &Place| symlink("/proc/self/mem", place.path("instances.d/acme.toml")).expect("a link");
    check(
        put,
        expect![[r#"
        instances.d/acme.toml: the file cannot be read: Input/output error (os error 5) [IK0101]
    "#]],
    );
}

#[test]
fn names_that_are_not_instance_names_are_told_in_plain_letters() {
    let put = |place: &Place| {
        for name in [
            &b"ACME.TOML"[..],
            b"\xff\xfe.toml",
            b"a\nb.toml",
            "\u{202E}lmot.toml".as_bytes(),
            "bücher.toml".as_bytes(),
            b".toml.toml",
        ] {
            let path = place.path("instances.d").join(OsStr::from_bytes(name));
            std::fs::write(path, instance_text("")).expect("written");
        }
    };
    check(
        put,
        expect![[r#"
            instances.d/ACME.TOML: the file's name must end in .toml, in lower case [IK0103]
              hint: rename it, for example to acme.toml
            instances.d/\u{202e}lmot.toml: "\u{202e}lmot" is not a valid instance name: 1 to 40 lower-case letters, digits and hyphens, no hyphen at either end [IK0103]
              hint: rename it
            instances.d/a\nb.toml: "a\nb" is not a valid instance name: 1 to 40 lower-case letters, digits and hyphens, no hyphen at either end [IK0103]
              hint: rename it
            instances.d/bücher.toml: "bücher" is not a valid instance name: 1 to 40 lower-case letters, digits and hyphens, no hyphen at either end [IK0103]
              hint: rename it
            instances.d/��.toml: "��" is not a valid instance name: 1 to 40 lower-case letters, digits and hyphens, no hyphen at either end [IK0103]
              hint: rename it
        "#]],
    );
}
