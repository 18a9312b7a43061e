# Gives a process a `/dev` of its own with two cards of AMD, which are harmless devices, and starts a program. A group may use
# the first card, and everybody the second. To be run in a mount namespace of its own.
set -e
dev=$(mktemp -d)
mount -t tmpfs dev "$dev"
for file in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$dev/${file%:*}" c 1 "${file#*:}"; done
mknod -m 666 "$dev/tty" c 5 0
mkdir "$dev/dri" "$dev/pts" "$dev/shm"
mount -t tmpfs shm "$dev/shm"
ln -s /proc/self/fd "$dev/fd"
mknod -m 660 "$dev/dri/renderD128" c 1 7
chgrp 4242 "$dev/dri/renderD128"
mknod -m 666 "$dev/dri/renderD129" c 1 5
mknod -m 666 "$dev/kfd" c 1 8
mount --move "$dev" /dev
rmdir "$dev"
exec "$0" "$@"
