// npm run init-kinds [NAME…]: each Dockerfile that naru init writes, tried on a project of its kind from init to its end.
import { systemClock } from '../../src/os/system-clock.ts'
import { CliStage } from '../integration/cli-stage.ts'
import { layBases } from './base.ts'
import { judge } from './judge.ts'
import { missingFor, type Project } from './project.ts'
import { PROJECTS } from './projects/all.ts'
import { type Tried, tryProject } from './try-project.ts'

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !PROJECTS.some((project) => project.name === name))
if (unknown.length > 0) throw new Error(`no ${unknown.join(', ')} among ${PROJECTS.map(({ name }) => name).join(', ')}`)

const say = (name: string, text: string) => console.log(`${name.padEnd(12)} ${text}`)
const wanted = PROJECTS.filter(({ name }) => asked.length === 0 || asked.includes(name))
const tried: Project[] = []
for (const project of wanted) {
  const missing = await missingFor(project)
  if (missing === null) tried.push(project)
  else say(project.name, `not tried: needs ${missing}`)
}

const stage = CliStage.open()
// What a deploy started goes on without this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stage.close().finally(() => process.exit(1)))
}
let failures = 0
const from = systemClock.now()
await layBases(stage.data, [...new Set(tried.flatMap(({ bases }) => bases))])
say('bases', `laid in ${seconds(systemClock.now() - from)}`)
for (const project of tried) {
  const failed = await tryOne(project)
  if (failed) failures++
}
const left = await stage.close()
if (left.length > 0) console.log(`left behind: ${left.join('\n')}`)
process.exitCode = failures === 0 && left.length === 0 ? 0 : 1

async function tryOne(project: Project): Promise<boolean> {
  try {
    const result = await tryProject(stage, project)
    const wrong = judge(project, result)
    say(project.name, wrong.length === 0 ? `held: ${summary(result)}` : wrong.join('; '))
    return wrong.length > 0
  } catch (failed) {
    say(project.name, `failed: ${String(failed)}`)
    return true
  }
}

function summary({ first, second, broken, exits }: Tried): string {
  const requests = second.receipt?.requests
  const sent = requests?.kind === 'measured' ? `${requests.sent} requests, ${requests.lost} lost` : ''
  const failure = broken === null ? '' : `; broken: ${broken.receipt?.failure?.message ?? broken.code}`
  const ends = [...new Set(Object.values(exits))].join(', ')
  return `first ${seconds(first.tookMs)}, a changed line ${seconds(second.tookMs)} (${sent}), ${ends}${failure}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
