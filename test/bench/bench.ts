/**
 * All figures of docs/benchmarks.md, one after the other, and a table of them: `npm run bench`. Each script runs alone as well.
 * The soak is not among them: it takes 25 minutes (`npm run soak`). A program that is missing (buildah, haproxy, wrk, docker-registry) leaves its figures out.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Figure, machine, printFigures } from './harness/figures.ts'

/** What a script prints last. The older ones print rows of their own, which `figuresOf` reads. */
interface Answer {
  readonly kind: string
  readonly figures?: readonly Figure[]
}

const SCRIPTS = ['build.ts', 'router.ts', 'rollout.ts', 'start.ts', 'registry.ts']
const asked = process.argv.slice(2)
const figures: Figure[] = []
for (const script of SCRIPTS.filter((name) => asked.length === 0 || asked.includes(name.replace('.ts', '')))) {
  process.stderr.write(`\n${script}, load ${machine().load.join(' ')}\n`)
  const answer = await run(script)
  figures.push(
    ...(answer?.figures ?? [{ name: script, target: '–', value: 'did not end well: see above', n: 0, reached: false }]),
  )
}
printFigures('bench', figures)
process.exit(figures.every(({ reached }) => reached) ? 0 : 1)

/** Its output goes to the terminal as it comes; the last line is the answer. null: it failed. */
async function run(script: string): Promise<Answer | null> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    process.stdout.write(chunk)
  })
  await new Promise((resolve) => child.once('close', resolve))
  try {
    return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Answer
  } catch {
    return null
  }
}
