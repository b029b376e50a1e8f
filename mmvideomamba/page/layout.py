"""The page itself, by Gradio."""

from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import gradio as gr
from matplotlib.figure import Figure
from mmengine.model import BaseModel

from ..text import printable
from .answers import (
    Picture,
    draw_delta,
    draw_effective_context,
    explain,
    recognize_upload,
    show_scores,
)
from .limits import MAX_MEGABYTES, MAX_MINUTES, Uploads
from .models import Models

TITLE = """\
# What happens in this video?

Upload or record a clip, or take one of the samples. [VideoMamba](
https://arxiv.org/abs/2407.08476) scans it through space and time.
"""
LIMITS = f"""\
At most {MAX_MEGABYTES} MB and {MAX_MINUTES} minutes. The file is deleted when
another takes its place, when this page is closed, and after an hour.
"""
KEPT = 3600  # seconds
PIXELS_PER_INCH = 160

# Of Gradio's fonts, those that are complete; none is fetched from elsewhere.
FONT = gr.themes.LocalFont('Source Sans Pro', weights=(400, 700))
THEME = gr.themes.Default(
    primary_hue='blue', font=[FONT, 'system-ui', 'sans-serif']
)
STYLE = """
.video video { max-height: 320px; }
/* Trimming would load a program from elsewhere. */
.video [aria-label^="Trim"], .video [aria-label^="Reset"] { display: none; }
.small, .small * { font-size: var(--text-sm) !important; }
.answer { min-height: 80px; }
.answer .html-container { padding: 0 !important; }
.score {
    --done: var(--primary-200);
    display: flex; justify-content: space-between; padding: 6px 12px;
    margin-top: 6px; border-radius: var(--radius-md);
    background: linear-gradient(
        to right, var(--done) var(--share), var(--background-fill-secondary) 0
    );
}
.dark .score { --done: var(--primary-800); }
.score:first-child { font-size: var(--text-xl); font-weight: 700; }
"""

WAITING = '<p class="small">The answer comes here.</p>'
HINT = 'In the first clip that the model takes of the video:'

Updates = Dict[gr.components.Component, Any]


class Page:
    """The page, and what happens when something on it is used.

    Args:
        models (Models): To choose from; the first is the choice.
        samples (dict[str, str]): Name -> path of a video, see `find_samples`.
            Gradio takes them from the working directory and the folder of
            temporary files alone.
    """

    def __init__(self, models: Models, samples: Dict[str, str]) -> None:
        self._models = models
        self._samples = list(samples.values())
        self._uploads = Uploads()
        # What each visitor has chosen last: a video and a model.
        self._chosen: Dict[str, Tuple[Optional[str], str]] = {}
        with gr.Blocks(
            title='mmvideomamba',
            analytics_enabled=False,
            delete_cache=(60, KEPT),
        ) as self.blocks:
            self._lay_out(list(map(printable, samples)))
            self._connect()

    def _lay_out(self, samples: List[str]) -> None:
        name = self._models.names[0]
        facts = self._models.describe(name, self._models.load(name))
        gr.Markdown(TITLE)
        with gr.Row():
            with gr.Column():
                self.video = gr.Video(
                    label='Video',
                    sources=['upload', 'webcam'],
                    # As it is: to leave out the sound, FFmpeg would be run.
                    include_audio=True,
                    elem_classes='video',
                )
                self.sample = gr.Dataset(
                    label='Sample clips',
                    components=['textbox'],
                    samples=[[name] for name in samples],
                    type='index',
                    visible=bool(samples),
                )
                gr.Markdown(LIMITS, elem_classes='small')
            with gr.Column():
                self.model = gr.Dropdown(
                    self._models.names, value=name, label='Model'
                )
                self.facts = gr.Markdown(facts, elem_classes='small')
                self.message = gr.Markdown(visible=False)
                self.scores = gr.HTML(WAITING, elem_classes='answer')
                self.time_line = gr.Plot(show_label=False, visible=False)
        gr.Markdown('## What does the model look at?')
        with gr.Row():
            self.delta = gr.Button('Delta')
            self.context = gr.Button('Effective context')
        self.caption = gr.Markdown(HINT)
        self.picture = gr.Plot(show_label=False, visible=False)

    def _connect(self) -> None:
        # One after another: there is memory for one model.
        queued: Dict[str, Any] = dict(
            concurrency_id='model', concurrency_limit=1
        )
        gr.on(
            [self.video.change, self.model.change],
            self._begin,
            [self.video, self.model],
            [
                self.facts,
                self.message,
                self.scores,
                self.time_line,
                self.caption,
                self.picture,
            ],
            queue=False,
            trigger_mode='always_last',
        ).then(
            self._recognize,
            [self.video, self.model],
            [self.facts, self.message, self.scores, self.time_line],
            show_progress_on=self.scores,
            trigger_mode='always_last',
            **queued,
        )
        self.sample.click(self._samples.__getitem__, self.sample, self.video)
        for button, draw in (
            (self.delta, draw_delta),
            (self.context, draw_effective_context),
        ):
            button.click(
                self._look_inside(draw),
                [self.video, self.model],
                [self.message, self.caption, self.picture],
                show_progress_on=self.caption,
                **queued,
            )
        self.blocks.unload(self._leave)

    def _begin(
        self, path: Optional[str], name: str, request: gr.Request
    ) -> Updates:
        session = str(request.session_hash)
        self._uploads.show(session, path)
        self._chosen[session] = (path, name)
        return {
            self.facts: '',
            self.scores: WAITING,
            self.caption: HINT,
            **self._show(self.message, None),
            **self._show(self.time_line, None),
            **self._show(self.picture, None),
        }

    def _recognize(
        self,
        path: Optional[str],
        name: str,
        request: gr.Request,
        tell: gr.Progress = gr.Progress(),
    ) -> Iterator[Updates]:
        for updates in self._answer(path, name, tell):
            # Else it would stand beside what was chosen meanwhile.
            if self._chosen.get(str(request.session_hash)) != (path, name):
                return
            yield updates

    def _answer(
        self, path: Optional[str], name: str, tell: gr.Progress
    ) -> Iterator[Updates]:
        facts = ''
        try:
            model = self._models.load(name, tell)
            facts = self._models.describe(name, model)
            if path is None:
                yield {self.facts: facts}
                return
            for scores, time_line in recognize_upload(model, path):
                yield {
                    self.facts: facts,
                    self.scores: show_scores(scores),
                    **self._show(self.time_line, time_line),
                }
        except (OSError, ValueError) as error:
            yield {self.facts: facts, **self._complain(error, path)}

    def _look_inside(
        self, draw: Callable[[BaseModel, str], Picture]
    ) -> Callable[[Optional[str], str], Updates]:
        def handler(path: Optional[str], name: str) -> Updates:
            if path is None:
                return self._show(self.message, 'Choose a video first.')
            try:
                caption, figure = draw(self._models.load(name), path)
            except (OSError, ValueError) as error:
                return self._complain(error, path)
            return {
                self.caption: caption,
                **self._show(self.message, None),
                **self._show(self.picture, figure),
            }

        return handler

    def _leave(self, request: gr.Request) -> None:
        session = str(request.session_hash)
        self._uploads.show(session, None)
        self._chosen.pop(session, None)

    def _complain(self, error: Exception, path: Optional[str]) -> Updates:
        return self._show(self.message, f'⚠️ {explain(error, path)}')

    def _show(self, component: gr.components.Component, value: Any) -> Updates:
        """Show a value, or hide the component where there is none."""
        if isinstance(value, Figure):
            value.set_dpi(PIXELS_PER_INCH)
        shown = value is not None
        return {component: gr.update(value=value, visible=shown)}
