import { type Base, goBase, jreBase, mavenBase, nginxBase, nodeBase, pythonBase, tomcatBase } from './bases.ts'

/** A small project of a kind, and what it answers at `/` when it runs: its user's number in it. */
export interface Project {
  readonly name: string
  readonly bases: readonly Base[]
  readonly files: Readonly<Record<string, string>>
  readonly says: string
  readonly user: string
}

const ORDINARY = '65532:65532'
const UID = 'hello from 65532'

const pom = (packaging: string, more: string) => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId><artifactId>hello</artifactId><version>1.0</version><packaging>${packaging}</packaging>
  <properties>
    <maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  ${more}
</project>
`
const JAVA_UID = `java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("Uid:")).findFirst().get().split("\\\\s+")[1]`

export const PROJECTS: readonly Project[] = [
  {
    name: 'node',
    bases: [nodeBase],
    says: UID,
    user: ORDINARY,
    files: {
      'package.json': JSON.stringify({
        name: 'hello',
        version: '1.0.0',
        scripts: { start: 'node server.mjs', build: "node -e \"fs.writeFileSync('built.txt','hello from')\"" },
        dependencies: { ms: '2.1.3' },
        devDependencies: { 'has-flag': '5.0.1' },
      }),
      'server.mjs': `import { createServer } from 'node:http'
import { existsSync, readFileSync } from 'node:fs'
import ms from 'ms'
if (ms('1s') !== 1000 || existsSync('node_modules/has-flag')) throw new Error('packages')
const server = createServer((_request, response) => response.end(readFileSync('built.txt', 'utf8') + ' ' + process.getuid()))
server.listen(Number(process.env.PORT))
process.on('SIGTERM', () => server.close())
`,
    },
  },
  {
    name: 'maven-jar',
    bases: [mavenBase, jreBase],
    says: UID,
    user: ORDINARY,
    files: {
      'pom.xml': pom(
        'jar',
        '<dependencies><dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>2.0.16</version></dependency></dependencies>',
      ),
      'src/main/java/com/example/Hello.java': `package com.example;

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Hello {
  public static void main(String[] args) throws Exception {
    org.slf4j.LoggerFactory.getLogger(Hello.class).info("starts");
    var server = HttpServer.create(new InetSocketAddress(Integer.parseInt(System.getenv("PORT"))), 0);
    server.createContext("/", exchange -> {
      var uid = ${JAVA_UID};
      var body = ("hello from " + uid).getBytes();
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
      exchange.close();
    });
    server.start();
  }
}
`,
    },
  },
  {
    name: 'maven-war',
    bases: [mavenBase, tomcatBase],
    says: UID,
    user: ORDINARY,
    files: {
      'pom.xml': pom(
        'war',
        `<dependencies>
    <dependency><groupId>jakarta.servlet</groupId><artifactId>jakarta.servlet-api</artifactId><version>6.0.0</version><scope>provided</scope></dependency>
  </dependencies>
  <build><plugins><plugin><artifactId>maven-war-plugin</artifactId><version>3.4.0</version>
    <configuration><failOnMissingWebXml>false</failOnMissingWebXml></configuration></plugin></plugins></build>`,
      ),
      'src/main/java/com/example/HelloServlet.java': `package com.example;

import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.*;

@WebServlet("/")
public class HelloServlet extends HttpServlet {
  @Override protected void doGet(HttpServletRequest request, HttpServletResponse response) throws java.io.IOException {
    response.getWriter().print("hello from " + ${JAVA_UID});
  }
}
`,
    },
  },
  {
    name: 'go',
    bases: [goBase],
    says: UID,
    user: ORDINARY,
    files: {
      'go.mod': 'module example.com/hello\n\ngo 1.26\n\nrequire github.com/google/uuid v1.6.0\n',
      'go.sum':
        'github.com/google/uuid v1.6.0 h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=\ngithub.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=\n',
      'cmd/hello/main.go': `package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/google/uuid"
)

func main() {
	_ = uuid.New()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello from %d", os.Getuid()) })
	panic(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
`,
    },
  },
  {
    name: 'python',
    bases: [pythonBase],
    says: UID,
    user: ORDINARY,
    files: {
      'requirements.txt': 'flask==3.1.0\ngunicorn==23.0.0\n',
      'app.py': `import os
from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return f"hello from {os.getuid()}"
`,
    },
  },
  {
    name: 'static',
    bases: [nginxBase],
    says: '<p>hello from a file</p>',
    user: '101:101',
    files: { 'public/index.html': '<p>hello from a file</p>\n' },
  },
]
