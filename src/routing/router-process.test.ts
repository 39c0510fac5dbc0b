import { describeRouter } from './router.contract.ts'
import { kernelPathMissing, StubKeeper } from './testing.ts'

const make = (fastPath: 'nftables' | 'none') => async () => {
  const keeper = await StubKeeper.open(fastPath)
  return {
    router: keeper.client,
    exited: (scope: string, replica: string) => keeper.exited(scope, replica),
    close: () => keeper.close(),
  }
}

describeRouter('the userland router', null, make('none'))
describeRouter('the kernel router', kernelPathMissing, make('nftables'))
