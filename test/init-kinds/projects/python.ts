import { pythonBase } from '../bases/python.ts'
import { CONNECT, type Project } from '../project.ts'

const common = { bases: [pythonBase] }

export const PYTHON_PROJECTS: readonly Project[] = [
  {
    ...common,
    name: 'flask',
    readiness: null,
    files: {
      'requirements.txt': 'flask==3.1.0\ngunicorn==23.0.0\n',
      'app.py': `import os
from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return f"hello from {os.getuid()}", 500 if "BROKEN" in os.environ else 200
`,
    },
  },
  {
    ...common,
    name: 'fastapi',
    readiness: CONNECT,
    files: {
      'pyproject.toml': `[project]
name = "hello"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["fastapi==0.115.12", "uvicorn==0.34.2"]
`,
      'app/__init__.py': '',
      'app/main.py': `import os
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

api = FastAPI()


@api.get("/", response_class=PlainTextResponse)
def hello():
    return PlainTextResponse(
        f"hello from {os.getuid()}", 500 if "BROKEN" in os.environ else 200, {"connection": "close"}
    )
`,
    },
  },
  {
    ...common,
    name: 'django',
    readiness: null,
    files: {
      'requirements.txt': 'django==5.2.1\ngunicorn==23.0.0\n',
      'manage.py': `import os, sys
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
`,
      'shop/__init__.py': '',
      'shop/settings.py': `SECRET_KEY = "a test"
ROOT_URLCONF = "shop.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
`,
      'shop/urls.py': `import os
from django.http import HttpResponse
from django.urls import path


def hello(request):
    return HttpResponse(f"hello from {os.getuid()}", status=500 if "BROKEN" in os.environ else 200)


urlpatterns = [path("", hello)]
`,
      'shop/wsgi.py': `import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
`,
    },
  },
]
