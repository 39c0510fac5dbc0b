import { describe, expect, it } from 'vitest'
import type { Route } from '../../model/app.ts'
import { anApp, aRelease, aRoute, aTarget } from '../testing.ts'
import { routesNow } from './publish-routes.ts'

const routed = (...routes: readonly Route[]) => aRelease(1, anApp({ routes }))
const serving = (...roles: readonly string[]) => ({ targets: roles.map((role) => aTarget(`${role}-1-1`, { role })) })

describe('routesNow', () => {
  it.each([
    ['nothing before: the wanted routes', [], [aRoute('web', 80)], [], 'web:80'],
    ['the same route in both: once', [aRoute('web', 80)], [aRoute('web', 80)], ['web'], 'web:80'],
    ['another port: both, until it is complete', [aRoute('web', 80)], [aRoute('web', 81)], ['web'], 'web:80 web:81'],
    ['another role, not serving yet: still the old one', [aRoute('web', 80)], [aRoute('api', 80)], ['web'], 'web:80'],
    ['another role that serves: the new one', [aRoute('web', 80)], [aRoute('api', 80)], ['web', 'api'], 'api:80'],
    ['another role, and nobody serves: the new one', [aRoute('web', 80)], [aRoute('api', 80)], [], 'api:80'],
    ['no route any more: until it is complete', [aRoute('web', 80)], [], ['web'], 'web:80'],
  ])('%s', (_name, other, wanted, roles, expected) => {
    const routes = routesNow(routed(...wanted), routed(...other), serving(...roles))
    expect(routes.map(({ role, listen }) => `${role}:${listen.port}`).join(' ')).toBe(expected)
  })

  it('publishes nothing for no release at all', () => {
    expect(routesNow(null, null, serving())).toEqual([])
  })
})
