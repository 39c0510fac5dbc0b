// Started by reproducible.test.ts: FOLDER USER UMASK. Builds the same sources there, as that user, and prints what came out as JSON.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '', user = '', umask = ''] = process.argv.slice(2)
process.umask(Number.parseInt(umask, 8))
if (user === 'nobody') {
  // In a mount namespace of its own: nobody gets subordinate ids.
  writeFileSync(join(folder, 'ids'), 'nobody:300000:65536\n', { mode: 0o644 })
  for (const path of ['/etc/subuid', '/etc/subgid']) execFileSync('mount', ['--bind', join(folder, 'ids'), path])
  process.setgroups?.([])
  process.setgid?.(65_534)
  process.setuid?.(65_534)
}
const home = join(folder, user)
mkdirSync(home)
process.env.TMPDIR = home
process.env.HOME = home

const { aBusyboxBuild } = await import('../../src/build/run/testing.ts')
const lines = Array.from({ length: 400_000 }, (_, at) => `line ${at * 7919}\n`).join('')
await using build = await aBusyboxBuild({
  Dockerfile: [
    'FROM busybox:1 AS made',
    'ARG SOURCE_DATE_EPOCH',
    'RUN mkdir -p /out/a && echo "$SOURCE_DATE_EPOCH" > /out/epoch && touch /out/a/z /out/a/b && ln -s z /out/a/l && ln /out/epoch /out/same',
    'RUN chown 1000:1001 /out/a/z && chmod 640 /out/a/z && rm /old/a',
    'FROM made',
    'WORKDIR /app',
    'COPY --chown=app src .',
    'COPY big /big',
    'COPY --from=made /out /copied',
    'ADD --chmod=700 src/run /usr/local/bin/run',
    'RUN ls -R /app /copied > /listing',
    'CMD ["run"]',
  ].join('\n'),
  'src/run': { run: '#!/bin/sh\n' },
  'src/나루.txt': '가',
  'src/B': 'b',
  'src/a': 'a',
  'src/link': { link: 'a' },
  big: lines,
})
const when = user === 'nobody' ? 1_000_000_000 : 1_500_000_000.123
for (const name of readdirSync(join(build.root, 'src')))
  if (name !== 'link') utimesSync(join(build.root, 'src', name), when, when)

const { artifact, layers } = await build.run()
const zstd = await build.run({ compression: 'zstd', destination: { store: build.store, repository: 'z', tags: [] } })
const all = [artifact, ...layers, zstd.artifact, ...zstd.layers].map(({ digest }) => digest)
process.stdout.write(JSON.stringify({ digests: all, uid: process.getuid?.(), zone: new Date(0).getTimezoneOffset() }))
