import { ProgramNotStarted, run, type RunResult } from '../../../os/run.ts'
import type { Environment } from '../settings/proxy-for.ts'
import type { Credentials } from './credentials.ts'
import { unusable } from './login-files.ts'

const LIMIT_MS = 30_000

/** A program `docker-credential-NAME` (docker-credential-helpers): the verb is its argument, everything else goes through its input and output. */
export interface CredentialHelper {
  readonly program: string
  /** null: it has no login under this key. */
  get(key: string, signal: AbortSignal): Promise<Credentials | null>
  store(
    key: string,
    login: { readonly username: string; readonly password: string },
    signal: AbortSignal,
  ): Promise<void>
  /** False: it had none. */
  erase(key: string, signal: AbortSignal): Promise<boolean>
}

/** Throws REGISTRY_AUTH_FAILED, here and in its methods, with the program's name and none of what it said. */
export function credentialHelper(name: string, env: Environment): CredentialHelper {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw unusable(`${JSON.stringify(name)} is no name of a helper`)
  const program = `docker-credential-${name}`
  const ask = (verb: string, input: string, signal: AbortSignal) => runHelper(program, verb, input, env, signal)
  return {
    program,
    async get(key, signal) {
      const result = await ask('get', key, signal)
      if (result.code === 0) return parseLogin(program, result.stdout)
      if (isUnknown(result)) return null
      throw unusable(`${program} could not give the login for ${key}`)
    },
    async store(key, { username, password }, signal) {
      const login = JSON.stringify({ ServerURL: key, Username: username, Secret: password })
      const { code } = await ask('store', login, signal)
      if (code !== 0)
        throw unusable(`${program} did not store the login for ${key}: some helpers make logins by themselves`)
    },
    async erase(key, signal) {
      const result = await ask('erase', key, signal)
      if (result.code === 0) return true
      if (isUnknown(result)) return false
      throw unusable(`${program} did not forget the login for ${key}`)
    },
  }
}

async function runHelper(
  program: string,
  verb: string,
  input: string,
  env: Environment,
  signal: AbortSignal,
): Promise<RunResult> {
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const options = { env: Object.fromEntries(defined), input, timeoutMs: LIMIT_MS, signal, maxOutputBytes: 65_536 }
  try {
    return await run(program, [verb], options)
  } catch (failed) {
    if (failed instanceof ProgramNotStarted) throw unusable(`${program} is not installed`, failed)
    throw failed
  }
}

const isUnknown = ({ stdout }: RunResult) => /not found|no credentials/i.test(stdout)

function parseLogin(program: string, text: string): Credentials | null {
  let answer: { Username?: unknown; Secret?: unknown } | null
  try {
    answer = JSON.parse(text) as typeof answer
  } catch {
    throw unusable(`${program} answered no JSON`)
  }
  const { Username, Secret } = answer ?? {}
  if (typeof Username !== 'string' || typeof Secret !== 'string' || Secret === '') return null
  if (Username === '<token>') return { kind: 'identity', token: Secret }
  return { kind: 'password', username: Username, password: Secret }
}
