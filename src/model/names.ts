import { DeployError } from './failure.ts'

/** App, environment and role: a DNS label (RFC 1123), so that it can be part of host names, paths and kernel names. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
/** Secrets and variables: what every shell takes. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** The name if it is a legal app, environment or role name; else NAME_INVALID. Checked before it becomes part of a path or a kernel name (A1, A19). */
export function checkName(what: 'app' | 'environment' | 'role', name: string): string {
  if (LABEL.test(name)) return name
  throw new DeployError(
    'NAME_INVALID',
    `${JSON.stringify(name.slice(0, 80))} is no name for an ${what}`.replace('an role', 'a role'),
    {
      hint: 'Use 1 to 40 lower-case letters, digits and dashes, with a letter or digit at both ends.',
      detail: { what },
    },
  )
}

/** Whether a text may name a secret or an environment variable. */
export const isVariableName = (name: string): boolean => VARIABLE.test(name)
