import { expect, it } from 'vitest'
import type { RefusedLogin } from '../../model/refused-login.ts'
import { RefusedLogins } from './refused-logins.ts'
import { StillClock } from './testing.ts'

function watched() {
  const clock = new StillClock()
  const told: RefusedLogin[] = []
  return { clock, told, refused: new RefusedLogins(clock, (login) => told.push(login)) }
}

const WRONG = { name: 'kim', why: 'wrong password' } as const

it('tells of the first of an address at once, and of the others in a minute how many there were', () => {
  const { clock, told, refused } = watched()
  for (let n = 0; n < 4; n++) refused.add({ ...WRONG, address: '192.0.2.1' })
  refused.add({ ...WRONG, address: '192.0.2.2' })
  expect(told.map(({ address, more }) => [address, more])).toEqual([
    ['192.0.2.1', 0],
    ['192.0.2.2', 0],
  ])
  clock.move(60_000)
  refused.add({ ...WRONG, address: '192.0.2.1' })
  refused.add({ ...WRONG, address: '192.0.2.2' })
  expect(told.slice(2).map(({ address, more }) => [address, more])).toEqual([
    ['192.0.2.1', 3],
    ['192.0.2.2', 0],
  ])
})

it('tells of so many in a minute, and of the others when they come again', () => {
  const { clock, told, refused } = watched()
  for (let n = 0; n < 1000; n++) refused.add({ ...WRONG, address: `2001:db8:0:${n}` })
  expect(told).toHaveLength(60)
  clock.move(60_000)
  refused.add({ ...WRONG, address: '2001:db8:0:999' })
  expect(told.at(-1)).toMatchObject({ address: '2001:db8:0:999', more: 1 })
})

it('shows nothing of what is no address', () => {
  const { told, refused } = watched()
  refused.add({ ...WRONG, address: '1.2.3.4\u009b2J\nlogin accepted' })
  expect(told[0]?.address).toBe('1.2.3.4?2J?login?accepted')
})
