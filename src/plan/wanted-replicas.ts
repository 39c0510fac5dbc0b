import type { App } from '../model/app.ts'
import type { Resized } from '../model/receipt.ts'
import type { DesiredState } from '../model/rollout.ts'

/** Wanted replicas by role. */
export type Wanted = Readonly<Record<string, number>>

/** What a release's settings say, or `naru scale` in their place. */
export const wantedReplicas = ({ roles }: Pick<App, 'roles'>, scale: DesiredState['scale']): Wanted =>
  Object.fromEntries(roles.map(({ name, replicas }) => [name, scale[name] ?? replicas]))

/** The roles that both have and of which another number is wanted; sorted by name. */
export const resizedRoles = (before: Wanted, after: Wanted): readonly Resized[] =>
  Object.keys(before)
    .sort()
    .flatMap((role) => {
      const [from, to] = [before[role], after[role]]
      return from === undefined || to === undefined || from === to ? [] : [{ role, from, to }]
    })

/** Of the roles whose availability counts: those that a route names, or all where none does. */
export const isCounted = ({ routes }: Pick<App, 'routes'>, name: string): boolean =>
  routes.length === 0 || routes.some(({ role }) => role === name)

/** How many replicas of them are wanted. */
export const countedReplicas = (app: Pick<App, 'routes'>, wanted: Wanted): number =>
  Object.entries(wanted).reduce((sum, [role, count]) => (isCounted(app, role) ? sum + count : sum), 0)
