"""Labels that the head has no class for, found before the first iteration."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ..registry import HOOKS


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Compare the labels of every data set with the head's `num_classes`.

    Raises:
        ValueError: A label the head cannot predict.
    """

    def before_run(self, runner) -> None:
        """Check the data sets of the loops that are going to run."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        # A detector's head is another.
        head = getattr(model, 'cls_head', None)
        num_classes = getattr(head, 'num_classes', None)
        if num_classes is None:
            return
        for loop in (
            runner._train_loop,
            runner._val_loop,
            runner._test_loop,
        ):
            # Loops that do not run stay None or configs.
            dataloader = getattr(loop, 'dataloader', None)
            if hasattr(dataloader, 'dataset'):
                _check(dataloader.dataset, num_classes)


def _check(dataset, num_classes: int) -> None:
    # Wrappers such as RepeatAugDataset keep the data set inside.
    dataset = getattr(dataset, 'dataset', dataset)
    if getattr(dataset, 'multi_class', False):
        return
    for index in range(len(dataset)):
        label = dataset.get_data_info(index)['label']
        if label >= num_classes:
            raise ValueError(
                f'{dataset.ann_file} has label {label}, but the head predicts '
                f'{num_classes} classes, 0 to {num_classes - 1}. Set '
                'model.cls_head.num_classes, or mend the list'
            )
