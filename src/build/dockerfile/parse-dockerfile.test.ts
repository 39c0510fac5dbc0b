import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DeployError } from '../../model/failure.ts'
import { parseDockerfile } from './parse-dockerfile.ts'
import { readDockerfile, targetStage } from './stages.ts'

const parse = (...lines: string[]) => parseDockerfile(`${lines.join('\n')}\n`, 'Dockerfile').instructions
const texts = (...lines: string[]) => parse(...lines).map(({ keyword, rest }) => `${keyword} ${rest}`)

describe('parseDockerfile', () => {
  it.each<[string, string[], string[]]>([
    ['joins continued lines', ['RUN a \\', '  b \\', 'c'], ['RUN a   b c']],
    [
      'skips comments and empty lines inside a continued line',
      ['ENV A=1 \\', '# no', '', '   # no', ' B=2'],
      ['ENV A=1  B=2'],
    ],
    ['takes blanks after the escape', ['RUN a \\  ', 'b'], ['RUN a b']],
    ['does not continue after an escaped escape', ['RUN a \\\\', 'EXPOSE 1'], ['RUN a \\\\', 'EXPOSE 1']],
    ['knows keywords in any case', ['from a', 'cOpY a b'], ['FROM a', 'COPY a b']],
    ['keeps a # inside an instruction', ['RUN echo # x'], ['RUN echo # x']],
    ['ends a continued line with the file', ['RUN a \\'], ['RUN a']],
    ['takes Windows line ends', ['FROM a\r', 'RUN b \\\r', ' c\r'], ['FROM a', 'RUN b  c']],
    ['takes indented instructions', ['  FROM a', '\tRUN b'], ['FROM a', 'RUN b']],
    ['takes a byte order mark', ['\uFEFFFROM a'], ['FROM a']],
    ['uses the escape of the directive', ['# escape=`', 'COPY a `', ' c:\\'], ['COPY a  c:\\']],
    ['takes a directive after an empty line for a comment', ['', '# escape=`', 'RUN a \\', 'b'], ['RUN a b']],
    ['takes a directive after a comment for a comment', ['# hi', '# escape=`', 'RUN a \\', 'b'], ['RUN a b']],
    [
      'keeps here-documents out of the lines',
      ['COPY <<EOF /a', 'FROM x', '# text', 'EOF', 'RUN b'],
      ['COPY <<EOF /a', 'RUN b'],
    ],
    ['takes no here-document where none can be', ['ENV A="<<EOF"', 'RUN b'], ['ENV A="<<EOF"', 'RUN b']],
  ])('%s', (_name, lines, expected) => {
    expect(texts(...lines)).toEqual(expected)
  })

  it('knows line and column of each instruction', () => {
    const places = parse('# c', 'FROM a', '', '  RUN b \\', '   c', 'RUN d').map(({ place, lastLine }) => [
      place.line,
      place.column,
      lastLine,
    ])
    expect(places).toEqual([
      [2, 1, 2],
      [4, 3, 5],
      [6, 1, 6],
    ])
  })

  it('reads several here-documents, with tabs removed where asked', () => {
    const [copy] = parse('COPY <<-A <<"B" /to/', '\tone $X', '\tA', 'two', 'B')
    expect(copy?.heredocs).toEqual([
      { name: 'A', expand: true, chomp: true, descriptor: 0, content: 'one $X\n' },
      { name: 'B', expand: false, chomp: false, descriptor: 0, content: 'two\n' },
    ])
  })

  it('keeps the line ends of a here-document as they are written', () => {
    const [copy, next] = parse('COPY <<EOF /x\r', 'a\r', 'EOF\r', 'RUN b\r')
    expect([copy?.heredocs[0]?.content, next?.rest]).toEqual(['a\r\n', 'b'])
  })

  it('separates flags, quotes removed, and stops at --', () => {
    const [run, copy] = parse('RUN --mount="type=cache,target=/a b" --x -- --y z', 'COPY --from=a --chown=1:2 b c')
    expect([run?.flags, run?.rest]).toEqual([['--mount=type=cache,target=/a b', '--x'], '--y z'])
    expect([copy?.flags, copy?.rest]).toEqual([['--from=a', '--chown=1:2'], 'b c'])
  })

  it('never loses its way, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('FROM a', 'COPY <<X b', 'X', '\\', '# y', '', 'RUN "', ' [', '\0'), { maxLength: 12 }),
        (lines) => {
          try {
            const places = parse(...lines).map(({ place }) => place.line)
            expect(places).toEqual([...places].sort((a, b) => a - b))
          } catch (failed) {
            expect(failed).toBeInstanceOf(DeployError)
          }
        },
      ),
    )
  })
})

describe('readDockerfile', () => {
  it.each([
    [
      'an unknown instruction, with the nearest one',
      'FROM a\nCOPPY b c',
      'Dockerfile:2:1: unknown instruction COPPY',
      'Did you mean COPY?',
    ],
    [
      'an unknown flag, with the nearest one',
      'FROM a\nCOPY --chow=1 b c',
      'Dockerfile:2:1: COPY has no flag --chow',
      'Did you mean --chown?',
    ],
    ['an instruction before FROM', 'RUN x\nFROM a', 'Dockerfile:1:1: RUN stands before the first FROM', 'ARG'],
    ['a file without FROM', '# nothing\n', 'Dockerfile:1:1: there is no FROM', 'FROM'],
    ['COPY with one word', 'FROM a\n COPY b', 'Dockerfile:2:2: COPY needs a source and a destination', 'DESTINATION'],
    ['a flag that stands twice', 'FROM a\nCOPY --from=a --from=b c d', '--from stands twice', '--from'],
    ['a flag without a value', 'FROM a\nCOPY --from b c', '--from has no value', '--from='],
    ['a list with other things than texts', 'FROM a\nCMD ["a", 1]', 'holds texts only', 'quotes'],
    ['a variable without a value', 'FROM a\nENV A', 'ENV needs a name and a value', 'NAME=VALUE'],
    ['a word without =', 'FROM a\nENV A=1 B', 'there is no "=" in "B"', 'NAME=VALUE'],
    ['a here-document without an end', 'FROM a\nCOPY <<EOF /b\ntext', '<<EOF has no end', 'EOF'],
    ['a wrong escape', '# escape=x\nFROM a', 'escape=x is not allowed', 'escape'],
    ['a directive that stands twice', '# syntax=a\n# syntax=b\nFROM a', 'stands twice', 'syntax'],
    ['a bad name of a stage', 'FROM a AS 1x', 'cannot name a stage', 'letter'],
    ['FROM with too many words', 'FROM a b', 'FROM needs one image', 'AS'],
    ['ONBUILD FROM', 'FROM a\nONBUILD FROM b', 'ONBUILD FROM is not allowed', 'Dockerfile'],
    ['a health check of another kind', 'FROM a\nHEALTHCHECK RUN x', 'HEALTHCHECK knows CMD and NONE', 'HEALTHCHECK'],
    ['a health check with a bad duration', 'FROM a\nHEALTHCHECK --interval=5 CMD x', 'is no duration', 'interval'],
    ['SHELL that is no list', 'FROM a\nSHELL /bin/sh', 'SHELL needs a JSON list', '['],
  ])('refuses %s', (_name, text, message, hint) => {
    try {
      readDockerfile(text, 'Dockerfile')
      expect.unreachable()
    } catch (failed) {
      expect(failed).toBeInstanceOf(DeployError)
      const { code, message: said, hint: told, detail } = failed as DeployError
      expect(code).toBe('DOCKERFILE_SYNTAX')
      expect(said).toContain(message)
      expect(told).toContain(hint)
      expect(detail).toMatchObject({ file: 'Dockerfile' })
    }
  })

  it('finds the target by name in any case, by number, and takes the last one without', () => {
    const dockerfile = readDockerfile('FROM a AS One\nFROM b AS two\nFROM c', 'Dockerfile')
    const images = ['ONE', '1', null].map((target) => targetStage(dockerfile, target).from.image)
    expect(images).toEqual(['a', 'b', 'c'])
    expect(() => targetStage(dockerfile, 'tow')).toThrow(
      expect.objectContaining({ code: 'BUILD_TARGET_NOT_FOUND', hint: 'Did you mean two?' }),
    )
  })
})
