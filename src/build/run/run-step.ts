import type { RunInstruction } from '../dockerfile/instruction.ts'
import type { Place } from '../dockerfile/place.ts'
import type { Settings } from '../image-settings.ts'
import { type RunFlags, readRunFlags } from './run-flags.ts'

/** One RUN, decided: what is executed in the sandbox, and what it may see. Plain data. */
export interface RunStep extends RunFlags {
  readonly place: Place
  readonly text: string
  /** Program and arguments; a name without a slash is looked up in PATH inside the image. */
  readonly args: readonly string[]
  /** A script with its own interpreter line (`RUN <<EOF` and `#!`): it is put at `path` and is the program. null: none. */
  readonly script: { readonly path: string; readonly content: string } | null
  /** ENV of the image and the ARGs declared so far. */
  readonly env: Readonly<Record<string, string>>
  /** Proxies given to the build without an ARG: the command sees them, the cache key does not (BuildKit's rule). */
  readonly proxies: Readonly<Record<string, string>>
  /** Absolute, in the image. */
  readonly cwd: string
  /** `user[:group]`, names or numbers; '' is root. */
  readonly user: string
}

export interface RunScope {
  readonly settings: Settings
  /** ENV and ARG. */
  readonly variables: ReadonlyMap<string, string>
  readonly proxies: Readonly<Record<string, string>>
  /** Replaces variables in the values of flags. */
  readonly expand: (word: string) => string
}

const SHELL = ['/bin/sh', '-c']
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const SCRIPTS = '/dev/pipes'

/** What a RUN means at its place in a stage. Throws DOCKERFILE_SYNTAX, DOCKERFILE_NOT_SUPPORTED. */
export function runStep(instruction: RunInstruction, { settings, variables, proxies, expand }: RunScope): RunStep {
  const env = { PATH: DEFAULT_PATH, ...Object.fromEntries(variables) }
  return {
    ...readRunFlags(instruction, expand),
    ...commandOf(instruction, settings.Shell ?? SHELL),
    place: instruction.place,
    text: instruction.text,
    env,
    proxies: Object.fromEntries(Object.entries(proxies).filter(([name]) => !(name in env))),
    cwd: settings.WorkingDir || '/',
    user: settings.User ?? '',
  }
}

/**
 * BuildKit's rules for here-documents: one that is the whole command is the script itself, run by its own interpreter when
 * it names one; any other stays a here-document of the image's shell.
 */
function commandOf(instruction: RunInstruction, shell: readonly string[]): Pick<RunStep, 'args' | 'script'> {
  const { command, heredocs } = instruction
  if (command.form === 'exec') return { args: command.args, script: null }
  const [first] = heredocs
  if (first === undefined) return { args: [...shell, command.script], script: null }
  if (heredocs.length > 1 || /\s/.test(command.script.trim())) {
    const texts = heredocs.map(({ content, name }) => `\n${content}${name}`)
    return { args: [...shell, command.script + texts.join('')], script: null }
  }
  if (!first.content.startsWith('#!')) return { args: [...shell, first.content], script: null }
  const path = `${SCRIPTS}/${first.name.replaceAll('/', '_')}`
  return { args: [path], script: { path, content: first.content } }
}
