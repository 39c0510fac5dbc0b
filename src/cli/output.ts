import type { Writable } from 'node:stream'
import { type Paint, paintFor } from './show/paint.ts'

/** Where a command writes: data on stdout, progress and messages on stderr. */
export interface Output {
  readonly json: boolean
  /** Redrawing only where a person looks: stderr is a terminal that can do it, and no CI. */
  readonly isLive: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  /** Columns of stdout, where the answer goes; off a terminal lines are not broken. */
  readonly width: number
  /** Colours of stdout, and of stderr. */
  readonly paint: Paint
  readonly paintTold: Paint
  /** One line of the answer. */
  data(line: string): void
  /** One line of progress, or a message; nothing under --quiet or --output json. */
  tell(line: string): void
  /** One line that is told even under --quiet, but not as JSON: an error, a question. */
  insist(line: string): void
  /** One JSON document or event on a line of stdout, under --output json. */
  object(value: unknown): void
}

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
}

type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }
type Environment = Readonly<Record<string, string | undefined>>

/** Off a terminal nothing is broken into lines: other programs read it. */
const UNLIMITED = 10_000
/** Of a terminal that says 0, such as that of a container before its first resize. */
const USUAL = 80

export function openOutput(options: OutputOptions, stdout: Stream, stderr: Stream, env: Environment): Output {
  const { json, quiet } = options
  const isSet = (name: string) => env[name] !== undefined && env[name] !== ''
  return {
    ...options,
    paint: paintFor(isColourful(stdout, env)),
    paintTold: paintFor(isColourful(stderr, env)),
    isLive: !json && !quiet && stderr.isTTY === true && env.TERM !== 'dumb' && !isSet('CI'),
    get width() {
      return stdout.columns === undefined ? UNLIMITED : stdout.columns || USUAL
    },
    data: (line) => void stdout.write(`${line}\n`),
    tell: (line) => {
      if (!json && !quiet) stderr.write(`${line}\n`)
    },
    insist: (line) => {
      if (!json) stderr.write(`${line}\n`)
    },
    object: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
  }
}

/** NO_COLOR (no-color.org) and FORCE_COLOR rule where they are set; else a terminal that is not dumb. */
function isColourful({ isTTY }: Stream, { NO_COLOR, FORCE_COLOR, TERM }: Environment): boolean {
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0'
  return isTTY === true && TERM !== 'dumb'
}
