import type { StatusBody } from '../../../src/api/responses.ts'
import { processesOf } from '../harness/leftovers.ts'

/** One of each serves a data folder, and the probers end with their rollout. */
const ONCE = ['serve.ts', 'keeper-main.ts', 'router-main.ts'] as const
const PROGRAM = '/usr/local/bin/node server.mjs'

/** What runs beside what should: programs that no replica is, a second keeper, a prober without a rollout. Empty: nothing. */
export function strays(folder: string, { replicas }: StatusBody): string[] {
  const commands = processesOf(folder).map(({ command }) => command)
  // The keeper's arguments name the router's program too.
  const count = (name: string) => commands.filter((command) => command.split(' ')[1]?.endsWith(`/${name}`)).length
  const programs = commands.filter((command) => command.startsWith(PROGRAM)).length
  return [
    ...ONCE.filter((name) => count(name) !== 1).map((name) => `${count(name)} of ${name}`),
    ...(count('prober-main.ts') === 0 ? [] : [`${count('prober-main.ts')} probers`]),
    ...(programs === replicas.length ? [] : [`${programs} programs of ${replicas.length} replicas`]),
  ]
}
