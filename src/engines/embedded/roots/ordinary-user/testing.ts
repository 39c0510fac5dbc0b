// Started by ordinary-user.test.ts as an ordinary user: FOLDER ISOLATION. Prints what replicas said as one JSON object.
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { backoff } from '../../../../lib/backoff.ts'
import { systemClock } from '../../../../os/system-clock.ts'
import type { Isolation } from '../../launch.ts'
import { openReplicaRoots } from '../replica-roots.ts'
import { aBusyboxRelease, CraftedStore, output, scope, start } from '../testing.ts'

const [folder = '', isolation = ''] = process.argv.slice(2)
const { signal } = new AbortController()
const store = new CraftedStore()
const instanceId = `u${process.pid}`
const strongest = await openReplicaRoots({ folder, instanceId, images: store, clock: systemClock, signal })
const roots = await openReplicaRoots({
  folder,
  instanceId,
  images: store,
  clock: systemClock,
  isolation: isolation as Isolation,
  signal,
})
const place = (replica: string) => ({ scope, replica, role: 'web', revision: 1, port: 20_001 })

const script =
  'id -u; echo $$; cat /app/new; echo; cat /run/secrets/token; echo; touch /app/mine; ls /app | grep mine; ls -l /dev/null'
const release = aBusyboxRelease(
  store,
  { User: 'app', Cmd: ['sh', '-c', script] },
  { secrets: [{ name: 'TOKEN', file: '/run/secrets/token' }] },
)
const launch = await roots.launch(place('web-1-1'), release, signal)
for (const { path } of launch.secretFiles) writeFileSync(path, 'hush')
const first = await output(launch)
const again = await output(await roots.launch(place('web-1-2'), { ...release, ...named('ls', '/app') }, signal))
const relative = await output(await roots.launch(place('web-1-3'), named('cat', 'app/new'), signal))

const sleeper = start(await roots.launch(place('web-1-4'), named('sleep', '60'), signal))
const pid = isolation === 'none' || isolation === 'chroot' ? Number(sleeper.pid) : await grandchild(Number(sleeper.pid))
const exec = await output(await roots.exec(place('web-1-4'), release, ['sh', '-c', 'ps; cat /app/new'], pid))
process.kill(pid, 'SIGKILL')
await once(sleeper, 'close')

for (const replica of ['web-1-1', 'web-1-2', 'web-1-3', 'web-1-4']) await roots.remove(scope, replica)
await roots.prune(scope, [], [], signal)
rmSync(join('/dev/shm', `naru-${instanceId}`), { recursive: true, force: true })
process.stdout.write(
  JSON.stringify({
    isolation: roots.isolation,
    strongest: strongest.isolation,
    why: strongest.why.join('\n'),
    notes: roots.notes.join('\n'),
    stdout: first.stdout,
    stderr: first.stderr,
    again: again.stdout,
    relative: relative.stdout,
    exec: exec.stdout + exec.stderr,
  }),
)

function named(...Cmd: string[]) {
  return aBusyboxRelease(store, { Cmd })
}

/** The program behind `unshare`, once it is the program. */
async function grandchild(parent: number): Promise<number> {
  for (const delay of backoff()) {
    const child = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim())
    if (child > 0 && readFileSync(`/proc/${child}/cmdline`, 'utf8').startsWith('/bin/sleep')) return child
    await systemClock.sleep(delay, signal)
  }
  throw new Error('it never started')
}
