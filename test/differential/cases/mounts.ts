// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of a Dockerfile
import type { DockerfileCase } from '../dockerfile-case.ts'

const files = { 'src/a': 'A', 'src/b/c': 'C' }
const LIST = 'find . | sed "s/^/x/" > /list'

/** Mounts of RUN, and what of them stays in the image: nothing but what was written elsewhere. */
export const MOUNTS: readonly DockerfileCase[] = [
  { name: 'bind of the context', dockerfile: ['RUN --mount=type=bind,target=/m cat /m/src/a > /a'], files },
  {
    name: 'bind by default, a folder of the context',
    dockerfile: ['RUN --mount=source=src,target=/m cat /m/b/c > /a'],
    files,
  },
  {
    name: 'bind of one file',
    dockerfile: ['RUN --mount=type=bind,source=src/a,target=/m/file cat /m/file > /a'],
    files,
  },
  { name: 'bind is read-only', dockerfile: ['RUN --mount=type=bind,target=/m touch /m/x'], files, refused: true },
  {
    name: 'bind that may be written, and is forgotten',
    dockerfile: ['RUN --mount=type=bind,target=/m,rw touch /m/x && ls /m > /a'],
    files,
  },
  {
    name: 'bind of a stage',
    dockerfile: [
      'FROM busybox:1 AS one',
      'RUN mkdir /o && echo x > /o/x',
      'FROM busybox:1',
      'RUN --mount=type=bind,from=one,source=/o,target=/m cp /m/x /x',
    ],
  },
  {
    name: 'bind of an image',
    dockerfile: ['RUN --mount=type=bind,from=busybox:1,source=/old,target=/m cat /m/a > /a'],
  },
  {
    name: 'bind to a relative target',
    dockerfile: ['WORKDIR /w', 'RUN --mount=type=bind,source=src,target=m cat m/a > a'],
    files,
  },
  { name: 'the mount point stays', dockerfile: ['RUN --mount=type=tmpfs,target=/new/deep touch /new/deep/x'] },
  {
    name: 'a mount point that was there stays as it was',
    dockerfile: ['RUN --mount=type=tmpfs,target=/old touch /old/x && ls /old > /a'],
  },
  {
    name: 'tmpfs with a size',
    dockerfile: ['RUN --mount=type=tmpfs,target=/t,size=1048576 dd if=/dev/zero of=/t/x bs=1048576 count=2'],
    refused: true,
  },
  {
    name: 'a cache lasts from RUN to RUN',
    dockerfile: [
      'RUN --mount=type=cache,target=/c,id=lasts echo 1 > /c/x',
      'RUN --mount=type=cache,target=/c,id=lasts cat /c/x > /a',
    ],
  },
  {
    name: 'caches of other names are others',
    dockerfile: [
      'RUN --mount=type=cache,target=/c,id=one echo 1 > /c/x',
      'RUN --mount=type=cache,target=/c,id=two ls /c > /a',
    ],
  },
  {
    name: 'a cache by its target',
    dockerfile: [
      'RUN --mount=type=cache,target=/by-target echo 1 > /by-target/x',
      'RUN --mount=type=cache,target=/by-target cat /by-target/x > /a',
    ],
  },
  {
    name: 'a cache with owner and mode',
    dockerfile: ['RUN --mount=type=cache,target=/c,id=owned,uid=5,gid=6,mode=0710 stat -c "%u %g %a" /c > /a'],
  },
  {
    name: 'a cache from a stage',
    dockerfile: [
      'FROM busybox:1 AS one',
      'RUN mkdir /o && echo x > /o/x',
      'FROM busybox:1',
      'RUN --mount=type=cache,target=/c,id=filled,from=one,source=/o cat /c/x > /a',
    ],
  },
  {
    name: 'a private and a locked cache',
    dockerfile: [
      'RUN --mount=type=cache,target=/p,id=p,sharing=private --mount=type=cache,target=/l,id=l,sharing=locked touch /p/x /l/x; ls /p /l > /a',
    ],
  },
  { name: 'a read-only cache', dockerfile: ['RUN --mount=type=cache,target=/c,id=ro,ro touch /c/x'], refused: true },
  {
    name: 'a secret',
    dockerfile: ['RUN --mount=type=secret,id=word cat /run/secrets/word | wc -c > /a'],
    secrets: { word: 'open sesame' },
  },
  {
    name: 'a secret at a target with mode',
    dockerfile: ['RUN --mount=type=secret,id=word,target=/etc/word,mode=0444,uid=5 stat -c "%u %g %a" /etc/word > /a'],
    secrets: { word: 'open sesame' },
  },
  {
    name: 'a secret in the environment',
    dockerfile: ['RUN --mount=type=secret,id=word,env=WORD echo "${#WORD}" > /a'],
    secrets: { word: 'open sesame' },
  },
  {
    name: 'a secret that is not given',
    dockerfile: ['RUN --mount=type=secret,id=none ls /run/secrets/none 2>/dev/null; echo done > /a'],
  },
  {
    name: 'a secret that is required and not given',
    dockerfile: ['RUN --mount=type=secret,id=none,required true'],
    refused: true,
  },
  {
    name: 'an agent that is not given',
    dockerfile: ['RUN --mount=type=ssh echo "${SSH_AUTH_SOCK-none}" > /a'],
    except: { '/a': 'BuildKit names a socket that is not there' },
  },
  {
    name: 'variables in a mount',
    dockerfile: ['ARG D=/m', 'RUN --mount=type=bind,source=src,target=$D cat $D/a > /a'],
    files,
  },
  {
    name: 'several mounts',
    dockerfile: [
      'RUN --mount=type=bind,source=src,target=/m --mount=type=tmpfs,target=/t cp -r /m/b /t && cd /t && find . > /list',
    ],
    files,
  },
  {
    name: 'a mount inside a mount',
    dockerfile: ['RUN --mount=type=tmpfs,target=/t --mount=type=bind,source=src,target=/t/in cat /t/in/a > /a'],
    files,
  },
  {
    name: 'what a mount hides comes back',
    dockerfile: ['RUN --mount=type=tmpfs,target=/old true', `RUN cd /old && ${LIST}`],
  },
  { name: 'a mount of an unknown type', dockerfile: ['RUN --mount=type=what,target=/m true'], refused: true },
  { name: 'a mount without a target', dockerfile: ['RUN --mount=type=cache true'], refused: true },
  { name: 'a mount with an unknown key', dockerfile: ['RUN --mount=type=cache,target=/c,what=1 true'], refused: true },
  { name: 'an unknown network', dockerfile: ['RUN --network=what true'], refused: true },
  { name: 'an unknown flag', dockerfile: ['RUN --what=1 true'], refused: true },
]
