#!/bin/sh
# Lays out the root of the image: rootfs.sh BINARY DIRECTORY. Only what the binary needs to run: itself, the libraries it is
# linked to, the loader, authorities for TLS towards object stores, and a user that is not root.
set -eu

binary=$1
root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/tidegate"
cp "$binary" "$root/usr/bin/tidegate"
chmod 755 "$root/usr/bin/tidegate"

# "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)" and "/lib64/ld-linux-x86-64.so.2 (0x...)"
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'tidegate:x:65532:65532:tidegate:/:/sbin/nologin' > "$root/etc/passwd"
echo 'tidegate:x:65532:' > "$root/etc/group"
# Names are looked up in /etc/hosts, which the container's runtime writes, and then in DNS.
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
