import { systemClock } from '../../os/system-clock.ts'
import { describeContentStore } from '../content-store.contract.ts'
import { aRegistry } from '../testing.ts'
import { registryClient } from './registry-client.ts'

describeContentStore(
  'the client of our own registry',
  async () => {
    const registry = await aRegistry()
    const store = registryClient({ host: registry.host, clock: systemClock })
    return {
      store,
      [Symbol.asyncDispose]: async () => {
        store.close()
        await registry[Symbol.asyncDispose]()
      },
    }
  },
  { checksLayers: false, checksIndexes: false },
)
