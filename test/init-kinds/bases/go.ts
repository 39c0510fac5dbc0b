import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Base, path } from '../base.ts'
import { copyFolder } from '../base-root.ts'

const GO = '/usr/local/go'

export const goBase: Base = {
  name: 'golang:1.26',
  missing: async () => (existsSync(join(GO, 'bin/go')) ? null : `Go in ${GO}`),
  async fill(root) {
    await copyFolder(GO, join(root, 'usr/local/go'), ['./test', './doc', './api', 'testdata'])
    return [path('/go/bin:/usr/local/go/bin'), 'ENV GOPATH=/go GOTOOLCHAIN=local', 'WORKDIR /go']
  },
}
