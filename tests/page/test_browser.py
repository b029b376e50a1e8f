"""The page in Chromium, which nobody sees.

Skipped where there is no Chromium, Gradio (`pip install -e '.[page]'`) or
Playwright (`pip install playwright`).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from small_training import write_training
from video_files import write_sound

from mmvideomamba.datasets.motion_shapes import CLASSES

sync_playwright = pytest.importorskip('playwright.sync_api').sync_playwright
CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason='no Chromium'),
    pytest.mark.skipif(find_spec('gradio') is None, reason='no Gradio'),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Of a training, of odd files, and of temporary files."""
    folder = tmp_path_factory.mktemp('page')
    write_training(folder)
    write_sound(folder / 'sound.mp4')
    garbage = np.random.default_rng(0).bytes(9999)
    (folder / 'garbage.mp4').write_bytes(garbage)
    (folder / 'temporary').mkdir()
    return folder


@pytest.fixture(scope='module')
def url(folder):
    """The address of the page; when it ends, nothing is left of it."""
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, '-m', 'mmvideomamba', 'page', str(folder)]
    process = subprocess.Popen(
        [*command, '--port', port],
        env={
            **os.environ,
            'TMPDIR': str(folder / 'temporary'),
            'http_proxy': 'http://127.0.0.1:9',  # where nobody answers
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        said = next(line for line in process.stdout if 'page is at' in line)
        assert f'http://127.0.0.1:{port}/' in said
        yield f'http://127.0.0.1:{port}/'
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not list((folder / 'temporary').iterdir())


@pytest.fixture(scope='module')
def browser():
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ['--no-sandbox']
        yield playwright.chromium.launch(
            executable_path=CHROMIUM, args=sandbox
        )


@pytest.fixture
def page(browser, url):
    """A visit, in which nothing is asked of other machines."""
    with browser.new_context() as context:
        page = context.new_page()
        asked = []
        page.on('request', lambda request: asked.append(request.url))
        page.goto(url)
        page.wait_for_selector('input[type=file]', state='attached')
        yield page
    assert not [a for a in asked if not a.startswith((url, 'data:', 'blob:'))]


def upload(page, path):
    page.set_input_files('input[type=file]', str(path))


def uploads(folder):
    """Names of the files that the server has."""
    shown = (folder / 'temporary').glob('*/shown/*/*')
    return sorted(path.name for path in shown)


def test_a_clip_is_recognised(page, folder):
    for number in (6, 0):
        name = CLASSES[number]
        upload(page, folder / f'videos/{name}/test_{number:05}.mp4')
        page.wait_for_selector(f'.score:first-child:has-text("{name}")')
        assert page.locator('.score').count() == 5
        assert uploads(folder) == [f'test_{number:05}.mp4']
        page.click('[aria-label=Clear]')
        page.wait_for_selector('text=The answer comes here')
        assert uploads(folder) == []


def test_the_model_is_looked_into(page, folder):
    page.click('text=Delta')
    page.wait_for_selector('text=Choose a video first.')
    page.click('text=shrink')
    page.wait_for_selector('.score:first-child:has-text("shrink")')
    pictures = []
    for button, said in (
        ('Delta', 'the step size of the scan'),
        ('Effective context', 'Half of what moves the feature is in'),
    ):
        page.click(f'button:has-text("{button}")')
        page.wait_for_selector(f'text={said}')
        pictures.append(page.get_attribute('.matplotlib img', 'src'))
    assert pictures[0] != pictures[1]


def test_samples_are_taken_again_and_again(page, folder):
    for name in ('grow', 'shrink', 'grow'):
        page.click(f'button:has-text("{name}")')
        page.wait_for_selector(f'.score:first-child:has-text("{name}")')
        assert len(uploads(folder)) == 1


@pytest.mark.parametrize(
    'name, sentence',
    [
        ('garbage.mp4', 'cannot be used: Invalid data found when processing'),
        ('sound.mp4', 'cannot be used: the file has no video stream.'),
    ],
)
def test_what_is_no_video_gets_a_sentence(page, folder, name, sentence):
    upload(page, folder / name)
    page.wait_for_selector(f'text={sentence}')
    assert not page.locator('.score').count()


def test_large_files_are_not_uploaded(page, folder):
    with open(folder / 'large.mp4', 'wb') as file:
        file.truncate(210_000_000)
    upload(page, folder / 'large.mp4')
    page.wait_for_selector('text=exceed the maximum allowed size of 200')


def test_no_path_is_told(page, url, folder):
    upload(page, folder / 'garbage.mp4')
    page.wait_for_selector('text=cannot be used')
    told = page.content() + page.request.get(f'{url}config').text()
    told = told.replace(f'{folder}/temporary/', '')
    assert str(folder) not in told and os.getcwd() not in told


def test_uploads_of_closed_pages_are_deleted(page, folder):
    upload(page, folder / 'sound.mp4')
    page.wait_for_selector('text=cannot be used')
    assert uploads(folder) == ['sound.mp4']
    page.close()
    for _ in range(100):
        if not uploads(folder):
            break
        page.context.new_page().close()
    assert uploads(folder) == []
