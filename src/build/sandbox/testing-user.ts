// Started as root in a mount namespace of its own by ordinary-user.test.ts: FOLDER TABLE TRIAL. Becomes nobody, carries the trial
// out, and prints its outcome as JSON.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Trial } from './testing.ts'

const [folder = '', table = '', trial = ''] = process.argv.slice(2)
writeFileSync(join(folder, 'table'), `${table}\n`)
for (const path of ['/etc/subuid', '/etc/subgid']) execFileSync('mount', ['--bind', join(folder, 'table'), path])
process.setgroups?.([])
process.setgid?.(65_534)
process.setuid?.(65_534)
process.env.TMPDIR = folder
process.env.HOME = folder

const { attempt } = await import('./testing.ts')
process.stdout.write(JSON.stringify(await attempt(JSON.parse(trial) as Trial, {})))
