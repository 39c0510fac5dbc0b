import { nearest } from '../lib/nearest.ts'
import { DeployError } from '../model/failure.ts'
import type { Variables } from './tree/expand-text.ts'

/**
 * The environment that is meant: `-e`, else NARU_ENVIRONMENT, else the only one.
 * Throws ENVIRONMENT_UNKNOWN, and ENVIRONMENT_REQUIRED where there are several (a terminal then asks).
 */
export function chooseEnvironment(names: readonly string[], flag: string | undefined, variables: Variables): string {
  const [only, ...more] = names
  // An empty variable is as good as none: CI systems set them so.
  const asked = flag ?? (variables.NARU_ENVIRONMENT || undefined)
  if (asked === undefined && only !== undefined && more.length === 0) return only
  if (asked !== undefined && names.includes(asked)) return asked
  if (asked === undefined)
    throw new DeployError('ENVIRONMENT_REQUIRED', `naru.yaml has ${names.length} environments: ${names.join(', ')}`, {
      hint: 'Choose one with -e NAME or the variable NARU_ENVIRONMENT.',
      detail: { environments: names.join(' ') },
    })
  const shown = JSON.stringify(asked.slice(0, 80))
  const from = flag === undefined ? 'NARU_ENVIRONMENT names' : '-e names'
  const near = nearest(asked.slice(0, 80), names)
  throw new DeployError('ENVIRONMENT_UNKNOWN', `${from} ${shown}, which naru.yaml does not have`, {
    hint: near === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${near}?`,
    detail: { environments: names.join(' ') },
  })
}
