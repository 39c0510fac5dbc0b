import type { RunInstruction } from '../dockerfile/instruction.ts'
import { notSupported, syntaxError } from '../dockerfile/place.ts'
import { readFlags } from '../dockerfile/read-flags.ts'

import { type RunMount, readRunMount } from './run-mount.ts'

export type RunNetwork = 'host' | 'none'

/** What the flags of a RUN ask for. */
export interface RunFlags {
  /** `host` is the default: the machine's own network, as in BuildKit's host mode. */
  readonly network: RunNetwork
  readonly mounts: readonly RunMount[]
}

/** Reads `--network` and `--security`. Throws DOCKERFILE_SYNTAX, DOCKERFILE_NOT_SUPPORTED. */
export function readRunFlags(instruction: RunInstruction, expand: (word: string) => string): RunFlags {
  const { place } = instruction
  const raw = { keyword: 'RUN', flags: instruction.flags, place }
  const flags = readFlags(raw, { mount: 'text', network: 'text', security: 'text', device: 'text' }, new Set(['mount']))
  const network = expand(flags.get('network') ?? 'default')
  if (!['default', 'host', 'none'].includes(network)) {
    throw syntaxError(place, `--network=${network} is not known`, 'Write --network=default, none or host.')
  }
  const security = expand(flags.get('security') ?? 'sandbox')
  if (security !== 'sandbox') {
    throw notSupported(place, `--security=${security} is never given`, 'A build gets no more rights than its sandbox.')
  }
  if (flags.has('device')) {
    throw notSupported(place, 'RUN --device is not carried out by this builder', 'Leave the flag out.')
  }
  const mounts = instruction.flags.filter((flag) => flag.startsWith(MOUNT))
  return {
    network: network === 'none' ? 'none' : 'host',
    mounts: mounts.map((flag) => readRunMount(flag.slice(MOUNT.length), expand, place)),
  }
}

/** Refuses wrong flags before anything is built; those with variables are read when their values are known. */
export function checkRunFlags(instruction: RunInstruction): void {
  if (!instruction.flags.some((flag) => flag.includes('$'))) readRunFlags(instruction, (word) => word)
}

/** The stages or images from which the mounts of a RUN take files. */
export const mountOrigins = ({ flags }: RunInstruction): readonly string[] =>
  flags.flatMap((flag) =>
    flag.startsWith(MOUNT) ? (/(?:^|,)"?from=([^,"]+)/i.exec(flag.slice(MOUNT.length))?.[1] ?? []) : [],
  )

const MOUNT = '--mount='
