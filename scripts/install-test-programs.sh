#!/bin/sh
# Installs the programs that some tests need (CI does so first), on Debian and its relatives, as root. Whatever cannot be
# installed is named, and nothing fails for it: the tests that need it are skipped and say so.
set -u

# program:package
programs='git:git fio:fio stress-ng:stress-ng rsync:rsync sqlite3:sqlite3 make:make cc:gcc python3:python3-minimal
setfattr:attr setfacl:acl mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs fusermount3:fuse3 setpriv:util-linux pgrep:procps openssl:openssl
chromium:chromium nginx:nginx-light'

PATH=$PATH:/usr/sbin:/sbin
missing() { for each in $programs; do command -v "${each%%:*}" >/dev/null || echo "${each##*:}"; done; }

packages=$(missing)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || :
  # one by one: what one release does not have is no reason to be without the others
  for package in $packages; do
    apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$package" >/dev/null || :
  done
fi
packages=$(missing)
[ -z "$packages" ] || echo "not installed, so tests that need them are skipped:" $packages
