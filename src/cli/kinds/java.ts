import { healthRequest } from './health-path.ts'
import {
  dockerfile,
  execForm,
  healthcheck,
  type HealthPath,
  IGNORED_ALWAYS,
  ORDINARY_USER,
  PORT,
  type Proposal,
  type Readiness,
} from './kind.ts'

/** Versions with long support, of which there are official images. */
const LONG_SUPPORT = [8, 11, 17, 21, 25]
const DEFAULT_VERSION = 21

/** The oldest version with long support that can build and run what was asked for. */
export function javaVersion(asked: string | undefined): number {
  const version = Number(asked?.replace(/^1\./, '') ?? DEFAULT_VERSION)
  return LONG_SUPPORT.find((one) => one >= version) ?? version
}

/** What the build stage leaves in /out, and how it is started. */
export type JavaProgram =
  | { readonly form: 'war'; readonly tomcat: number }
  /** A Spring Boot jar, unpacked. */
  | { readonly form: 'spring-boot'; readonly launcher: string }
  /** /out/app.jar that holds everything. */
  | { readonly form: 'fat jar' }
  /** /out/app.jar and /out/lib. */
  | { readonly form: 'jar'; readonly mainClass: string }
  /** /out/lib has all jars. */
  | { readonly form: 'libraries'; readonly mainClass: string }

export const JAVA_IGNORED = [...IGNORED_ALWAYS, 'target', 'build', '.gradle', '*.md']

/** Spring Boot moved its launcher in 3.2. */
export function springBootLauncher(version: string | undefined): string {
  const [, major = '3', minor = '2'] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? []
  const isOld = Number(major) < 3 || (Number(major) === 3 && Number(minor) < 2)
  return `org.springframework.boot.loader.${isOld ? '' : 'launch.'}JarLauncher`
}

/** javax is the world until Tomcat 9, jakarta that from 10 on; Servlet 6.1 wants 11. */
export function tomcatVersion(build: string): number {
  if (/javax\.servlet/.test(build) && !/jakarta\.servlet/.test(build)) return 9
  return /jakarta\.servlet-api(?:<\/artifactId>\s*<version>|:)6\.1/.test(build) ? 11 : 10
}

// Ubuntu's bash is in the images; curl and wget are not in all of them. A path that is not found is an answer, a 500 is none.
function health(found: HealthPath | null): string {
  const { path, failsFrom } = healthRequest(found)
  const ask = `exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3`
  return healthcheck(['bash', '-c', `${ask} && read -r _ status _ <&3 && [ "$status" -lt ${failsFrom} ]`], 120)
}

/** The Dockerfile of a Java program, below the stage that builds it. */
export const javaDockerfile = (
  build: readonly string[],
  program: JavaProgram,
  version: number,
  found: HealthPath | null,
): string =>
  dockerfile(
    build,
    program.form === 'war' ? tomcatStage(program.tomcat, version, found) : jreStage(program, version, found),
  )

/** Tomcat listens before it has deployed the application. */
export const javaReadiness = ({ form }: JavaProgram, found: HealthPath | null): Readiness =>
  found ?? (form === 'war' ? 'image' : 'connect')

/** An unpacked archive is copied in one line: its libraries and its classes are to be layers of their own. */
export const javaSplit = ({ form }: JavaProgram): Pick<Proposal, 'split'> =>
  form === 'war' || form === 'spring-boot' ? { split: 'java' } : {}

function tomcatStage(tomcat: number, version: number, found: HealthPath | null): readonly string[] {
  const source = 'org.apache.tomcat.util.digester'
  return [
    `FROM tomcat:${tomcat}-jre${version}`,
    `ENV PORT=${PORT}`,
    '# Lets server.xml read variables of the environment.',
    `ENV CATALINA_OPTS="-XX:MaxRAMPercentage=75 -D${source}.PROPERTY_SOURCE=${source}.EnvironmentPropertySource"`,
    `RUN sed -i -e 's/port="8080"/port="\${PORT}"/' -e 's/port="8005"/port="-1"/' conf/server.xml \\`,
    ' && mkdir -p conf/Catalina/localhost logs temp work webapps \\',
    ` && chown -R ${ORDINARY_USER} conf/Catalina logs temp work`,
    'COPY --from=build /out webapps/ROOT',
    `USER ${ORDINARY_USER}`,
    `EXPOSE ${PORT}`,
    health(found),
    'CMD ["catalina.sh", "run"]',
  ]
}

function jreStage(
  program: Exclude<JavaProgram, { form: 'war' }>,
  version: number,
  found: HealthPath | null,
): readonly string[] {
  const hasLibraries = program.form === 'jar'
  return [
    `FROM eclipse-temurin:${version}-jre`,
    `ENV PORT=${PORT}`,
    'WORKDIR /app',
    ...(hasLibraries
      ? ['COPY --from=build /out/lib ./lib', 'COPY --from=build /out/app.jar ./']
      : ['COPY --from=build /out ./']),
    `USER ${ORDINARY_USER}`,
    `EXPOSE ${PORT}`,
    health(found),
    '# The program must listen on the PORT that it is given, and end on SIGTERM.',
    `CMD ${execForm(javaCommand(program))}`,
  ]
}

function javaCommand(program: Exclude<JavaProgram, { form: 'war' }>): readonly string[] {
  const java = ['java', '-XX:MaxRAMPercentage=75']
  switch (program.form) {
    case 'spring-boot':
      // exec: the JVM gets the signals. Spring Boot reads no PORT of itself.
      return ['sh', '-c', `exec ${java.join(' ')} -Dserver.port=$PORT -cp /app ${program.launcher}`]
    case 'fat jar':
      return [...java, '-jar', 'app.jar']
    case 'jar':
      return [...java, '-cp', 'app.jar:lib/*', program.mainClass]
    case 'libraries':
      return [...java, '-cp', 'lib/*', program.mainClass]
  }
}

/** The one class with a main method, with its package, or null where there is none or are several. */
export function onlyMainClass(texts: Readonly<Record<string, string>>): string | null {
  const found = Object.entries(texts)
    .filter(([name, text]) => name.endsWith('.java') && /\bstatic\s+void\s+main\s*\(/.test(text))
    .map(([name]) =>
      name
        .replace(/^src\/main\/java\//, '')
        .replace(/\.java$/, '')
        .replaceAll('/', '.'),
    )
  return found.length === 1 ? (found[0] ?? null) : null
}
