import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'

const SHELLS = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'busybox'])

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-qq', '-e', 'trace=none', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!canTrace())('what a server starts (A1, P6; left out without strace)', { timeout: 120_000 }, () => {
  let stage: Stage
  let canary: string
  const trace = () => join(stage.folder, 'trace')
  beforeAll(async () => {
    stage = await Stage.open()
    canary = join(stage.folder, 'canary')
    await stage.server.kill('SIGTERM')
    // -D: the server stays our child. Only the calls that start programs are stopped at.
    await stage.server.start([
      'strace',
      '-D',
      '-f',
      '-qq',
      '--seccomp-bpf',
      '-s',
      '300',
      '-e',
      'trace=execve',
      '-o',
      trace(),
    ])
  }, 120_000)
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  it('a deploy, a rollback and a stop of names made of shell must be the text of no shell, and nothing in them may run', async () => {
    const evil = `$(touch\${IFS}${canary});\`touch\${IFS}${canary}\`|&'"`
    const app = await stage.app('inert')
    const folder = `a${evil.replaceAll('/', '_')}`
    await mkdir(join(app.repository, folder))
    await writeFile(join(app.repository, folder, 'x'), 'x')
    await app.commit('good', { replicas: 1, env: { SETTING: evil.replaceAll('$', () => '$$') }, receipt: null })
    execFileSync('git', ['-C', app.repository, 'branch', branchOf(canary)])
    const source = { repository: app.repository, folder: '', ref: branchOf(canary) }
    const first = await stage.follow(await stage.begin(app, { source, by: evil }))
    expect(first, renderEvents(first.events)).toMatchObject({ exit: 0 })
    expect(await (await fetch(app.url)).json()).toMatchObject({ setting: evil })
    await app.commit('good', { replicas: 1, receipt: null })
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
    expect(await stage.run(app, 'rollback', { revision: 1, by: evil })).toMatchObject({ exit: 0 })
    expect(await stage.run(app, 'stop', { by: evil })).toMatchObject({ exit: 0 })
    expect(existsSync(canary)).toBe(false)
    expect(shellsIn(readFileSync(trace(), 'utf8'), stage.server.folder)).toEqual([])
  })

  it.each([
    ['the name of the app', { folderName: 'x', file: { text: 'app: "$(touch x)"\n', name: 'naru.yaml' } }],
    ['the environment', { environment: '`touch x`' }],
    ['the ref', { source: { repository: null, folder: '', ref: '--upload-pack=touch x' } }],
    ['the image', { image: '$(touch x):1' }],
  ])('%s made of shell must be refused', async (_name, more) => {
    const app = await stage.app('refused')
    await app.commit('good')
    const { source } = more as { source?: object }
    const asked = source === undefined ? more : { source: { ...source, repository: app.repository } }
    const refused = async () => {
      const ended = await stage.follow(await stage.begin(app, asked))
      throw ended.failures[0] ?? new Error(`it was taken:\n${renderEvents(ended.events)}`)
    }
    await expect(refused()).rejects.toMatchObject({ code: expect.stringMatching(/INVALID|UNKNOWN|SYNTAX/) })
  })
})

/** A name that git takes and a shell would run. */
const branchOf = (canary: string): string => `b;touch\${IFS}${canary.slice(1)};$(touch\${IFS}${canary.slice(1)})`

/** The one script of ours (roots/start/enter.sh): what differs it gets as arguments and variables. */
const FIXED = /execve\("[^"]*", \["[^"]*", "[^"]*\/src\/engines\/embedded\/roots\/start\/enter\.sh", /

/** Shells that were started with a text of their own, with what they were told. */
function shellsIn(trace: string, folder: string): string[] {
  const lines = trace.split('\n').filter((line) => line.includes('execve('))
  if (!lines.some((line) => line.includes('/git"'))) throw new Error(`nothing was traced: ${trace.slice(0, 500)}`)
  return lines.filter((line) => {
    const [, program = ''] = /execve\("([^"]*)"/.exec(line) ?? []
    return SHELLS.has(basename(program)) && !program.startsWith(folder) && !line.includes('= -1') && !FIXED.test(line)
  })
}
