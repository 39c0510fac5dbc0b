import { expect, it } from 'vitest'
import { checkLogs } from './find-logs.ts'

const LOGGED = [
  { replica: 'web-4-1', role: 'web', revision: 4 },
  { replica: 'worker-5-1', role: 'worker', revision: 5 },
  { replica: 'migrate-5', role: null, revision: 5 },
]
const NONE = { role: null, replica: null, revision: null, follow: false }

it.each([
  [{}],
  [{ role: 'web' }],
  [{ replica: 'migrate-5' }],
  [{ role: 'worker', revision: 5 }],
  [{ revision: 6, follow: true }],
  [{ role: 'web', revision: 6, follow: true }],
])('lets through what there is, and what may come: %j', (asked) => {
  expect(() => checkLogs({ ...NONE, ...asked }, LOGGED)).not.toThrow()
})

it.each([
  [{ role: 'wbe' }, 'there is no log of role wbe', /^Did you mean web\?$/],
  [{ role: 'wbe', follow: true }, 'there is no log of role wbe', /^Did you mean web\?$/],
  [{ replica: 'web-4-2' }, 'there is no log of replica web-4-2', /^Did you mean web-4-1\?$/],
  [{ revision: 77 }, 'there is no log of revision 77', /web, worker and of r4, r5/],
  [{ role: 'web', revision: 5 }, 'there is no log of role web, revision 5', /web, worker and of r4, r5/],
])('refuses what nobody wrote: %j', (asked, message, hint) => {
  const check = () => checkLogs({ ...NONE, ...asked }, LOGGED)
  expect(check).toThrow(expect.objectContaining({ code: 'LOG_NOT_FOUND', message, hint: expect.stringMatching(hint) }))
})
