import { z } from 'zod'
import { DeployError } from '../../model/failure.ts'
import { checkName, isVariableName } from '../../model/names.ts'
import { parseReference } from '../../model/reference.ts'
import { splitCommand } from './command.ts'
import { parseCpu, parseMemory, type Quantity } from './quantity.ts'

// The kinds of single values in naru.yaml. Each error text completes "expected …"; messages.ts adds the place and what was there.

/** A whole number within limits. */
export const whole = (min: number, max: number, what: string) => {
  const error = `${what} from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

export const seconds = (max: number) => whole(0, max, 'whole seconds')
export const port = whole(1, 65_535, 'a port')

export const text = (what: string) => z.string({ error: what }).min(1, { error: what }).max(4096, { error: what })
export const flag = z.boolean({ error: 'true or false' })

/** Texts, and the plain words of YAML that look like something else; `texts.ts` keeps them as written (1.10 stays 1.10). */
export const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'a text' })

interface Wrong {
  readonly wrong: string
  readonly hint: string
}

/** A value that a function checks: it returns null or what is wrong. */
export function checked<S extends z.ZodType>(schema: S, wrongOf: (value: z.output<S>) => Wrong | null): S {
  return schema.check((context) => {
    const wrong = wrongOf(context.value)
    if (wrong === null) return
    const { value: input } = context
    context.issues.push({ code: 'custom', message: wrong.wrong, input, params: { hint: wrong.hint } })
  })
}

const quantity = (what: string, parse: (written: string | number) => Quantity) =>
  checked(z.union([z.string(), z.number()], { error: what }), (value) => {
    const parsed = parse(value)
    return 'wrong' in parsed ? parsed : null
  })
export const cpu = quantity('cores such as 500m', parseCpu).describe('Cores: 500m, 0.5 or 2')
export const memory = quantity('memory such as 512Mi', parseMemory).describe('Memory: 512Mi or 1Gi')

/** A program and its arguments: a list, or a text split by quotes. */
export const command = z
  .union(
    [
      checked(z.string(), (value) => {
        const split = splitCommand(value)
        return 'wrong' in split ? split : null
      }),
      z.array(scalar, { error: 'a list of texts' }).min(1, { error: 'a list that names a program' }),
    ],
    { error: 'a list such as [./work, --fast]' },
  )
  .describe('A list, or a text that is split by quotes only: no shell runs it')

const percentage = (error: string) => z.string({ error }).regex(/^\d{1,3}%$/, { error })
export const percent = percentage('a percentage such as 25%')
const COUNT_OR_PERCENT = 'a number or a percentage such as 25%'
export const countOrPercent = z.union([whole(0, 10_000, 'a number'), percentage(COUNT_OR_PERCENT)], {
  error: COUNT_OR_PERCENT,
})

const pattern = (regex: RegExp, what: string) => text(what).regex(regex, { error: what })

const LABEL_HINT = 'Use 1 to 40 lower-case letters, digits and dashes, with a letter or digit at both ends.'
/** The name of an app, environment or role. The grammar is model/names.ts'. */
export const label = (what: 'app' | 'environment' | 'role') =>
  checked(z.string({ error: `a name for the ${what}` }), (value) =>
    orNull(() => checkName(what, value), `a name for the ${what}`, LABEL_HINT),
  )

export const variableName = checked(z.string({ error: 'a name' }), (value) =>
  isVariableName(value) ? null : { wrong: 'a name of letters, digits and _', hint: 'Begin it with a letter or _.' },
)

export const imageReference = checked(text('an image reference'), (value) =>
  orNull(() => parseReference(value), 'an image reference', 'Write [registry/]repository[:tag], in lower case.'),
)

/** What a client's URL path may begin with, and what a check asks for. */
export const urlPath = pattern(/^\/[\x21-\x7e]*$/, 'a path that begins with /')
export const absolutePath = checked(text('an absolute path'), (value) =>
  value.startsWith('/') && !value.split('/').includes('..')
    ? null
    : { wrong: 'an absolute path', hint: 'Begin it with / and leave out `..`.' },
)
/** Not absolute, not an option. Whether it stays within the repository is seen when its folder is known. */
export const relativePath = pattern(/^(?![/-])[^\\]+$/, 'a path relative to naru.yaml')
/** What names a build context for FROM and --from. */
export const contextName = pattern(/^[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,254}$/, 'a name of letters, digits and ./:@+-_')
export const hostName = pattern(
  /^(?=.{1,253}$)(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
  'a host name',
)
/** Something that is given to a program and must not look like one of its options (A1). */
export const word = (what: string) => pattern(/^[^-\s][^\s]*$/, what)

function orNull(check: () => unknown, wrong: string, hint: string): Wrong | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof DeployError) return { wrong, hint }
    throw error
  }
}
