import { DeployError } from '../../../model/failure.ts'

/** Below the kernel's ephemeral ports, where an outgoing connection can hold the port (design.md section 3). */
export const ASSIGNED_PORTS = { first: 20_000, last: 27_999 } as const

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * The next free port after the one given away last, so that a port rests before it is given away again: late packets for the
 * old replica must not meet a new one. Throws PORT_TAKEN when the range is used up.
 */
export function choosePort({ first, last }: PortRange, lastGiven: number | null, taken: ReadonlySet<number>): number {
  const size = last - first + 1
  const begin = lastGiven === null || lastGiven < first || lastGiven >= last ? first : lastGiven + 1
  for (let step = 0; step < size; step++) {
    const port = first + ((begin - first + step) % size)
    if (!taken.has(port)) return port
  }
  throw new DeployError('PORT_TAKEN', `all ${size} ports from ${first} to ${last} are in use`, {
    hint: 'Nothing was started. Stop replicas or other programs that use these ports.',
    detail: { first, last },
  })
}

/**
 * After which port an instance begins: each somewhere else in the range, by its id. Keepers know only of their own ports and of
 * those in use; two that began alike would give away the same one before either program listens.
 */
export const portSeed = ({ first, last }: PortRange, instanceId: string): number =>
  first + (Number.parseInt(instanceId, 16) % (last - first + 1))
