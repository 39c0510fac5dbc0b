import type { Place } from '../dockerfile/place.ts'
import { syntaxError } from '../dockerfile/place.ts'

interface Target {
  /** Where it is in the sandbox; a relative path counts from the working directory. */
  readonly target: string
}

interface Owned {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** What one `--mount` of a RUN asks for (BuildKit's reference, "RUN --mount"). */
export type RunMount =
  | (Target & {
      readonly type: 'bind'
      /** A stage or an image; null: the build context. */
      readonly from: string | null
      readonly source: string
      /** What is written is forgotten. */
      readonly writable: boolean
    })
  | (Target &
      Owned & {
        readonly type: 'cache'
        readonly id: string
        readonly sharing: 'shared' | 'private' | 'locked'
        readonly readOnly: boolean
        /** What an empty cache begins with: a folder of a stage or an image; null: nothing. */
        readonly start: { readonly from: string; readonly source: string } | null
      })
  | (Target & { readonly type: 'tmpfs'; readonly sizeBytes: number | null })
  | (Owned & {
      readonly type: 'secret'
      readonly id: string
      readonly required: boolean
      /** null: only as a variable. */
      readonly target: string | null
      readonly env: string | null
    })
  | (Target & Owned & { readonly type: 'ssh'; readonly id: string; readonly required: boolean })

const KEYS: Readonly<Record<RunMount['type'], readonly string[]>> = {
  bind: ['target', 'source', 'from', 'rw', 'ro'],
  cache: ['id', 'target', 'sharing', 'from', 'source', 'mode', 'uid', 'gid', 'ro', 'rw'],
  tmpfs: ['target', 'size'],
  secret: ['id', 'source', 'target', 'required', 'mode', 'uid', 'gid', 'env'],
  ssh: ['id', 'target', 'required', 'mode', 'uid', 'gid'],
}
const OTHER_NAMES: Readonly<Record<string, string>> = {
  ...{ dst: 'target', destination: 'target', src: 'source', readonly: 'ro', readwrite: 'rw' },
}
const SWITCHES = new Set(['rw', 'ro', 'required'])

/** Reads the value of a `--mount`. `expand` replaces variables; in `from` they are not allowed. Throws DOCKERFILE_SYNTAX. */
export function readRunMount(text: string, expand: (word: string) => string, place: Place): RunMount {
  const fields = readFields(text, place)
  const from = fields.get('from') ?? null
  if (from?.includes('$') === true)
    throw syntaxError(
      place,
      `from=${from} may not have a variable`,
      'Name a stage for it: FROM $IMAGE AS name, then from=name.',
    )
  const read = new Fields(
    new Map([...fields].map(([key, value]) => [key, key === 'from' ? value : expand(value)])),
    place,
  )
  const type = read.oneOf('type', ['bind', 'cache', 'tmpfs', 'secret', 'ssh'])
  read.only(['type', ...KEYS[type]])
  const source = read.text('source') ?? '/'
  if (type === 'bind') return { type, target: read.needed('target'), from, source, writable: read.isOn('rw') }
  if (type === 'tmpfs') return { type, target: read.needed('target'), sizeBytes: read.bytes('size') }
  const owned = (mode: number) => ({ mode: read.octal('mode') ?? mode, uid: read.count('uid'), gid: read.count('gid') })
  if (type === 'cache') {
    if (from === null && source !== '/') {
      throw syntaxError(place, 'a cache mount has a source= without from=', 'Name the stage or image: from=name.')
    }
    const target = read.needed('target')
    const sharing = read.oneOf('sharing', ['shared', 'private', 'locked'])
    return {
      type,
      target,
      id: read.text('id') ?? target,
      sharing,
      readOnly: read.isOn('ro'),
      start: from === null ? null : { from, source },
      ...owned(0o755),
    }
  }
  const required = read.isOn('required')
  if (type === 'ssh') {
    return { type, id: read.text('id') ?? 'default', target: read.text('target') ?? '', required, ...owned(0o600) }
  }
  return { type, required, ...secretName(read, place), ...owned(0o400) }
}

function secretName(read: Fields, place: Place) {
  const [target, env] = [read.text('target'), read.text('env')]
  const id = read.text('source') ?? read.text('id') ?? target?.split('/').at(-1) ?? ''
  if (id === '') throw syntaxError(place, 'a secret needs an id', 'Write --mount=type=secret,id=NAME.')
  return { id, env, target: target ?? (env === null ? `/run/secrets/${id}` : null) }
}

/** The values of one `--mount`, checked as they are asked for. */
class Fields {
  readonly #values: ReadonlyMap<string, string>
  readonly #place: Place

  constructor(values: ReadonlyMap<string, string>, place: Place) {
    this.#values = values
    this.#place = place
  }

  only(keys: readonly string[]): void {
    const wrong = [...this.#values.keys()].find((key) => !keys.includes(key))
    if (wrong !== undefined) throw this.#wrong(`has no key ${wrong}`, `This type knows ${keys.join(', ')}.`)
  }

  text(key: string): string | null {
    return this.#values.get(key) || null
  }

  needed(key: string): string {
    const value = this.text(key)
    if (value === null) throw this.#wrong(`has no ${key}`, `Write ${key}=/path.`)
    return value
  }

  /** The first is the default. */
  oneOf<Value extends string>(key: string, values: readonly [Value, ...Value[]]): Value {
    const text = (this.#values.get(key) ?? values[0]).toLowerCase()
    const found = values.find((value) => value === text)
    if (found === undefined) throw this.#wrong(`has ${key}=${text}`, `Write one of ${values.join(', ')}.`)
    return found
  }

  isOn(key: string): boolean {
    const text = this.#values.get(key) ?? 'false'
    if (!['', 'true', '1', 'false', '0'].includes(text)) throw this.#wrong(`has ${key}=${text}`, 'Write true or false.')
    return text !== 'false' && text !== '0'
  }

  count(key: string): number {
    return this.#number(key, /^[0-9]{1,9}$/, 10) ?? 0
  }

  octal(key: string): number | null {
    return this.#number(key, /^0?[0-7]{1,4}$/, 8)
  }

  bytes(key: string): number | null {
    const [, count = '', unit = ''] = /^([0-9]{1,12})(|[kmgt])b?$/i.exec(this.#values.get(key) ?? '0') ?? []
    if (count === '') throw this.#wrong(`has ${key}=${this.#values.get(key)}`, 'Write a size such as 64m.')
    return Number(count) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase()) || null
  }

  #number(key: string, form: RegExp, base: number): number | null {
    const text = this.#values.get(key)
    if (text === undefined) return null
    if (!form.test(text)) throw this.#wrong(`has ${key}=${text}`, 'Write a number.')
    return Number.parseInt(text, base)
  }

  #wrong(what: string, hint: string) {
    return syntaxError(this.#place, `--mount ${what}`, hint)
  }
}

/** `key=value,key`: quotes around a whole field keep its commas (encoding/csv). */
function readFields(text: string, place: Place): ReadonlyMap<string, string> {
  const fields = [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  )
  const found = new Map<string, string>()
  for (const field of fields) {
    const equals = field.indexOf('=')
    const name = (equals < 0 ? field : field.slice(0, equals)).toLowerCase()
    const key = OTHER_NAMES[name] ?? name
    if (equals < 0 && !SWITCHES.has(key)) {
      throw syntaxError(place, `--mount has ${JSON.stringify(field)} without a value`, 'Write key=value,key=value.')
    }
    found.set(key, equals < 0 ? 'true' : field.slice(equals + 1))
  }
  return found
}
