/** Walks all of a rollout: kills the server at each event of it, restarts it, and prints what became of it. `node matrix.ts [--router nftables]` */
import { parseArgs } from 'node:util'
import { type RouterPath, Stage } from '../harness/stage.ts'
import { type Crashed, deployThrough, REPLICAS } from './crash.ts'
import { describeEvent } from './describe-event.ts'

const { values } = parseArgs({
  options: { router: { type: 'string', default: 'userland' }, from: { type: 'string', default: '1' } },
})
const stage = await Stage.open({ router: values.router as RouterPath })
const failed: string[] = []
let stopped = false
process.once('SIGINT', () => {
  stopped = true
})
try {
  const app = await stage.app('matrix')
  await app.commit('good', { replicas: REPLICAS })
  await stage.deploy(app)
  let points = 0
  const whole = await deployThrough(stage, app, () => {
    points++
    return undefined
  })
  print('–', 'undisturbed', whole)
  for (let nth = Number(values.from); nth <= points && !stopped; nth++) {
    let point = 'never reached'
    const crashed = await deployThrough(stage, app, (event, now) => {
      if (now !== nth) return undefined
      point = describeEvent(event)
      return stage.server.kill().then(() => stage.server.start())
    })
    print(String(nth), point, crashed)
  }
} finally {
  const left = await stage.close()
  if (left.length > 0) failed.push(`left: ${left.join(', ')}`)
}
process.stdout.write(
  failed.length === 0 ? 'every point held\n' : `${failed.length} did not hold:\n${failed.join('\n')}\n`,
)
process.exitCode = failed.length === 0 ? 0 : 1

/** Killed before there was a rollout, an operation ends with 9 and nothing was touched; later it ends all-new. */
function print(nth: string, point: string, { exit, endState, lost, answered, broken, story }: Crashed): void {
  const isWell = (exit === 0 && endState === 'all-new') || (exit === 9 && endState === null)
  const problems = [...(isWell ? [] : [`exit ${exit} ${endState}`]), ...lost.slice(0, 3), ...broken.slice(0, 3)]
  const result = problems.length === 0 ? 'held' : problems.join('; ')
  process.stdout.write(
    `${nth.padStart(3)}  ${point.padEnd(34)} exit ${exit}  ${(endState ?? '–').padEnd(8)} lost ${lost.length} of ${answered}  ${result}\n`,
  )
  if (problems.length === 0) return
  failed.push(`${nth} ${point}: ${problems.join('; ')}`)
  process.stdout.write(`${story}\n`)
}
