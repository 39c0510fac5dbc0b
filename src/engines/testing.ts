import type { App } from '../model/app.ts'
import type { Release } from '../model/release.ts'
import * as model from '../model/testing.ts'
import type { Order } from './engine.ts'

/** An app with one role. */
export const anApp = (more: Partial<App> = {}): App => model.anApp({ environment: 'test', ...more })

/** Revision 1 of an app. */
export const aRelease = (app: App, more: Partial<Release> = {}): Release =>
  model.aRelease(app, { repository: 'shop', createdBy: 'test', ...more })

/** An order for a release, by the right of token 1. */
export const anOrder = (release: Release, more: Partial<Order> & { secrets?: Record<string, string> } = {}): Order => ({
  scope: { app: release.app, environment: release.environment },
  token: 1,
  release,
  openSecrets: async () => more.secrets ?? {},
  ...more,
})
