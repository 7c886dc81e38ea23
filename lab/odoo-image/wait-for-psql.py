#!/usr/bin/python3
"""Waits until PostgreSQL answers on the database `postgres`, as the official image's script of the same name does."""

import argparse
import sys
import time

import psycopg2

parser = argparse.ArgumentParser()
parser.add_argument("--db_host", required=True)
parser.add_argument("--db_port", required=True)
parser.add_argument("--db_user", required=True)
parser.add_argument("--db_password", required=True)
parser.add_argument("--timeout", type=int, default=5)
arguments = parser.parse_args()

deadline = time.monotonic() + arguments.timeout
while True:
    try:
        psycopg2.connect(
            host=arguments.db_host,
            port=arguments.db_port,
            user=arguments.db_user,
            password=arguments.db_password,
            dbname="postgres",
        ).close()
        break
    except psycopg2.OperationalError as error:
        if time.monotonic() >= deadline:
            print(f"Database connection failure: {error}", file=sys.stderr)
            sys.exit(1)
        time.sleep(1)
