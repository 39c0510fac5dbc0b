import type { DockerfileCase } from '../dockerfile-case.ts'
import { ARCHIVE_TIMES, ARCHIVES } from './archives.ts'

const times = (at: string) => ARCHIVE_TIMES.map((path) => `${at}/${path}`)
const files = Object.fromEntries(Object.entries(ARCHIVES).map(([form, bytes]) => [`a.${form}`, { bytes }]))
const { tar } = ARCHIVES

/** ADD of archives, which are unpacked; addresses and git need a server, and are held by tests of their own. */
export const ADD: readonly DockerfileCase[] = [
  ...Object.keys(ARCHIVES).map(
    (form): DockerfileCase => ({
      name: `an archive: ${form}`,
      dockerfile: ['FROM scratch', `ADD a.${form} /to`],
      files,
      times: times('/to'),
    }),
  ),
  {
    name: 'an archive into a folder that is there',
    dockerfile: ['COPY a.tar /to/in/x', 'ADD a.tar /to/'],
    files,
  },
  {
    name: 'an archive over what is there',
    dockerfile: ['RUN mkdir -p /to/in && echo old > /to/in/file && ln -s / /to/own', 'ADD a.tar /to'],
    files,
  },
  {
    name: 'archives by a pattern',
    dockerfile: ['FROM scratch', 'ADD a.* /to/'],
    files: { 'a.1': { bytes: tar }, 'a.2': 'text' },
  },
  { name: 'an archive with owner', dockerfile: ['FROM scratch', 'ADD --chown=5:6 a.tar /to'], files },
  { name: 'an archive with mode', dockerfile: ['FROM scratch', 'ADD --chmod=700 a.tar /to'], files },
  { name: 'an archive with --link', dockerfile: ['FROM scratch', 'ADD --link a.gzip /to'], files },
  {
    name: 'archives in a folder stay as they are',
    dockerfile: ['FROM scratch', 'ADD folder /to'],
    files: { 'folder/a.tar': { bytes: tar } },
  },
  { name: 'an archive copied stays as it is', dockerfile: ['FROM scratch', 'COPY a.gzip /to/'], files },
  {
    name: 'an archive with --unpack=false',
    dockerfile: ['FROM scratch', 'ADD --unpack=false a.tar /to/'],
    files,
  },
  {
    name: 'a broken archive',
    dockerfile: ['FROM scratch', 'ADD a.tar /to'],
    files: { 'a.tar': { bytes: tar.subarray(0, 700) } },
    refused: true,
  },
  {
    name: 'gzip that is no archive',
    dockerfile: ['FROM scratch', 'ADD a.gz /to'],
    files: { 'a.gz': { bytes: Buffer.from('H4sIAAAAAAAAA0vMBQBD7lZ4AgAAAA==', 'base64') } },
  },
]
