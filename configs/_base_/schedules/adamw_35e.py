_base_ = 'adamw_30e.py'

train_cfg = dict(max_epochs=35)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(T_max=34, end=35)
