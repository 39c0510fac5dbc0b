# The first program in a replica's namespaces: mounts what it sees, makes that the root, and becomes the program. For the shell
# of POSIX, which is there in 2 ms where a Node takes 40, and waits in half a megabyte. Nothing here is text that somebody else wrote:
# all that differs comes as arguments and variables, and is only ever expanded within quotes.
#
# Arguments: the mount program, the folder in which it runs (lower folders are named relative to it), the fstab(5) of everything that
# the replica sees, where its root is mounted, its host name, `now` or `held`, the env program, and what it becomes. `held`: a
# line on descriptor 3 lets it go on, the end of it ends this. The program's variables: see enter-variables.ts.
naru_mount=$1 naru_from=$2 naru_table=$3 naru_root=$4 naru_host=$5 naru_when=$6 naru_env=$7
shift 7

naru_do_mount() {
  cd "$naru_from" && "$naru_mount" --no-mtab "$@" && return
  printf 'naru: mount %s failed\n' "$*" >&2
  exit 125
}

naru_do_mount --all --fstab "$naru_table"
cd "$naru_root" || exit 125
# Over `/`, so that nothing of the machine is left to climb to.
(naru_do_mount --move "$naru_root" /) || exit 125
# Only root may; the name is for people.
{ printf '%s' "$naru_host" >/proc/sys/kernel/hostname; } 2>/dev/null

if [ "$naru_when" = held ]; then
  read -r naru_line <&3 || exit 0
  exec 3<&-
fi

naru_at=0
while eval "[ \"\${NARU_ENTER_$naru_at+set}\" = set ]"; do
  eval "export \"\$NARU_ENTER_$naru_at\""
  unset "NARU_ENTER_$naru_at"
  naru_at=$((naru_at + 1))
done
# As arguments for the moment that env takes: everybody on the machine may read them, so that only what needs it goes here.
naru_at=0
while eval "[ \"\${NARU_LATER_$naru_at+set}\" = set ]"; do
  eval "set -- \"\$NARU_LATER_$naru_at\" \"\$@\""
  unset "NARU_LATER_$naru_at"
  naru_at=$((naru_at + 1))
done
exec "$naru_env" -u PATH -u LC_ALL -u PWD -u OLDPWD -u SHLVL -u _ "$@"
