import { jreBase, mavenBase, tomcatBase } from '../bases/java.ts'
import type { Project } from '../project.ts'

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

export const JAVA_PROJECTS: readonly Project[] = [
  {
    name: 'maven-jar',
    bases: [mavenBase, jreBase],
    readiness: '{ tcp: true }',
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
      exchange.sendResponseHeaders(System.getenv("BROKEN") == null ? 200 : 500, body.length);
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
    readiness: '{ tcp: true }',
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
    if (System.getenv("BROKEN") != null) response.setStatus(500);
    response.getWriter().print("hello from " + ${JAVA_UID});
  }
}
`,
    },
  },
  {
    name: 'spring-boot',
    bases: [mavenBase, jreBase],
    readiness: '{ tcp: true }',
    files: {
      'pom.xml': `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId><version>3.4.5</version>
  </parent>
  <groupId>com.example</groupId><artifactId>hello</artifactId><version>1.0</version>
  <properties><java.version>17</java.version></properties>
  <dependencies>
    <dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId></dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
  </plugin></plugins></build>
</project>
`,
      'src/main/java/com/example/Hello.java': `package com.example;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Hello {
  public static void main(String[] args) {
    SpringApplication.run(Hello.class, args);
  }

  @GetMapping("/")
  ResponseEntity<String> hello() throws Exception {
    var uid = ${JAVA_UID};
    return ResponseEntity.status(System.getenv("BROKEN") == null ? 200 : 500).body("hello from " + uid);
  }
}
`,
    },
  },
]
