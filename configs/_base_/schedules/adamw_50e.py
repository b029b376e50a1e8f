_base_ = 'adamw_30e.py'

train_cfg = dict(max_epochs=50)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(T_max=49, end=50)
