import { existsSync } from 'node:fs'
import type { RegistryAccounts } from '../cli/host.ts'
import { formatRegistryRight, parseRegistryRight } from '../model/registry-right.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import { Accounts } from '../registry/access/accounts.ts'
import { ChangeAccounts } from '../registry/access/change-accounts.ts'
import { dataPaths } from './data-folder.ts'
import { readyFolder } from './ready-folder.ts'

/** The accounts of the registry of a data folder. A registry that serves it sees each change within a second. */
export async function registryAccounts(folder: string): Promise<RegistryAccounts> {
  await readyFolder(folder)
  const { access, socket } = dataPaths(folder)
  const change = new ChangeAccounts(await Accounts.open(access, clock), clock)
  return {
    isOfServer: existsSync(socket),
    addUser: (name, password, rights) => change.addUser(name, password, rights.map(parseRegistryRight)),
    addRobot: (name, rights, expiresAtMs) => change.addRobot(name, rights.map(parseRegistryRight), expiresAtMs),
    setPassword: (name, password) => change.setPassword(name, password),
    renewToken: (name, expiresAtMs) => change.renewToken(name, expiresAtMs),
    async setRights(kind, name, texts) {
      const rights = texts.map(parseRegistryRight)
      await change.setRights(kind, name, rights)
      return rights.map(formatRegistryRight)
    },
    remove: (kind, name) => change.remove(kind, name),
    async list(kind) {
      const accounts = await change.list(kind)
      return accounts.map(({ name, rights, createdAtMs, expiresAtMs }) => {
        return { name, rights: rights.map(formatRegistryRight), createdAtMs, expiresAtMs }
      })
    },
  }
}
