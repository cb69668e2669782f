// Names that Hugging Face's Trainer, its run_clm.py, nanoGPT and Megatron have for what is here, and what becomes of the rest
// of Trainer's.

import type { Flag } from "@tessera/config";
import { idle, idleAt, refused } from "@tessera/config/foreign";

/** Other names of flags that are here, which mean the same. */
export const ALIASES = {
  activation_checkpointing: "gradient_checkpointing",
  adam_eps: "adam_epsilon",
  batch_size: "per_device_train_batch_size",
  beta1: "adam_beta1",
  beta2: "adam_beta2",
  block_size: "max_len",
  clip_grad: "max_grad_norm",
  epochs: "num_train_epochs",
  eval_interval: "eval_steps",
  evaluation_strategy: "eval_strategy",
  grad_clip: "max_grad_norm",
  hidden_size: "n_embd",
  log_interval: "logging_steps",
  lr: "learning_rate",
  lr_warmup_iters: "warmup_steps",
  max_iters: "max_steps",
  micro_batch_size: "per_device_train_batch_size",
  min_lr: "min_learning_rate",
  num_attention_heads: "n_head",
  num_layers: "n_layer",
  out_dir: "output_dir",
  per_gpu_eval_batch_size: "per_device_eval_batch_size",
  per_gpu_train_batch_size: "per_device_train_batch_size",
  save_interval: "save_steps",
  save_total_limit: "keep",
  seq_length: "max_len",
  tensorboard_dir: "logging_dir",
  tokenizer_name: "tokenizer",
  train_file: "text",
  train_iters: "max_steps",
  warmup_iters: "warmup_steps",
} as const;

/** Those that choose among ways to compute the same, name a run, or tell what is found out here. */
const IDLE = `
  activation_checkpointing_kwargs average_tokens_across_devices batch_eval_metrics cache_dir compile
  dataloader_drop_last dataloader_in_order dataloader_multiprocessing_context dataloader_num_workers
  dataloader_persistent_workers dataloader_pin_memory dataloader_prefetch_factor ddp_backend
  ddp_broadcast_buffers ddp_find_unused_parameters ddp_static_graph debug device dispatch_batches
  eval_accumulation_steps eval_do_concat_batches eval_use_gather_object fp16_backend fp16_opt_level
  fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap full_determinism gradient_checkpointing_kwargs
  greater_is_better half_precision_backend hub_always_push hub_model_id hub_private_repo hub_revision
  hub_strategy hub_token include_for_metrics include_inputs_for_metrics include_num_input_tokens_seen
  include_tokens_per_second jit_mode_eval label_names length_column_name liger_kernel_config local_rank
  log_level log_level_replica log_on_each_node logging_first_step logging_nan_inf_filter low_cpu_mem_usage
  metric_for_best_model model_revision mp_parameters no_cuda overwrite_cache past_index prediction_loss_only
  preprocessing_num_workers project push_to_hub_model_id push_to_hub_organization push_to_hub_token ray_scope
  remove_unused_columns restore_callback_states_from_checkpoint run_name save_on_each_node skip_memory_metrics
  split_batches tf32 token torch_compile torch_compile_backend torch_compile_mode torch_empty_cache_steps
  torchdynamo tpu_metrics_debug tpu_num_cores trackio_bucket_id trackio_space_id trackio_static_space_id
  trust_remote_code use_auth_token use_cache use_cpu use_fast_tokenizer use_ipex use_legacy_prediction_loop
  use_liger_kernel use_mps_device
`;

const OFF = ["false", "0", "no", "none", ""];

/** Those that change what is trained, computed or kept; the rest of Trainer's are in `flags.ts`. */
const CONDITIONAL: Readonly<Record<string, Flag<null>>> = {
  accelerator_config: refused("--deepspeed FILE takes a configuration; this one has no use here"),
  adafactor: idleAt(OFF, "there is no Adafactor; --optim adamw, adam or sgd"),
  auto_find_batch_size: idleAt(
    OFF,
    "choose --per_device_train_batch_size; memory is told at the start",
  ),
  bf16_full_eval: idleAt(OFF, "evaluation has the precision of training; --bf16 chooses it"),
  config_name: refused(
    "--model NAME has sizes by name, --model_name_or_path FOLDER those of a model",
  ),
  config_overrides: refused("--n_layer, --n_embd, --n_head and --max_len change a model's sizes"),
  dataset_config_name: refused("datasets are files here; --text FILE reads them"),
  dataset_name: refused("nothing is downloaded here; --text FILE reads files"),
  ddp_timeout: refused("--distributed_timeout_minutes takes minutes"),
  do_eval: idleAt(["true", "1", "yes"], "--eval_strategy no leaves evaluation out"),
  do_predict: idleAt(OFF, "tessera generate predicts, from what is saved"),
  dtype: refused("--bf16 or --fp16 choose the precision"),
  enable_jit_checkpoint: idleAt(
    OFF,
    "SIGTERM always saves; --exit_signal_handler ends with code 0",
  ),
  eval_delay: idleAt(["0", "0.0"], "--eval_steps N evaluates every N steps from the first on"),
  eval_on_start: idleAt(OFF, "--do_train false evaluates a model without training it"),
  fp16_full_eval: idleAt(OFF, "evaluation has the precision of training; --fp16 chooses it"),
  fsdp: idleAt(OFF, "--zero_stage 3 shards weights, gradients and optimizer state"),
  fsdp_config: refused("--zero_stage 3 shards weights, gradients and optimizer state"),
  group_by_length: idleAt(OFF, "samples are of one length here, and in random order"),
  ignore_data_skip: idleAt(OFF, "a resumed run goes on with the samples that are next"),
  keep_linebreaks: idleAt(["true", "1", "yes"], "texts are taken as they are"),
  label_smoothing_factor: idleAt(["0", "0.0"], "there is no label smoothing"),
  load_best_model_at_end: idleAt(
    OFF,
    "the last model is exported; tessera convert exports any checkpoint",
  ),
  logging_strategy: idleAt(
    ["steps"],
    "--logging_steps N; 0 logs the first and the last step alone",
  ),
  max_train_samples: refused("--max_steps ends training earlier"),
  model_type: refused(
    "--model NAME has sizes by name, --model_name_or_path FOLDER those of a model",
  ),
  neftune_noise_alpha: idleAt(["none"], "no noise is added to embeddings"),
  optim_args: refused(
    "--adam_beta1, --adam_beta2, --adam_epsilon and --weight_decay are the optimizer's",
  ),
  optim_target_modules: refused("one optimizer updates all parameters"),
  parallelism_config: refused("tessera-pretrain-gpt trains with tensor and pipeline parallelism"),
  push_to_hub: idleAt(OFF, "nothing is uploaded; upload --output_dir when training has ended"),
  save_only_model: idleAt(OFF, "checkpoints hold the whole state; --keep N bounds their number"),
  save_safetensors: idleAt(["true", "1", "yes"], "safetensors is the only format here"),
  streaming: idleAt(
    OFF,
    "--data_path reads a dataset from the disk while it trains; tessera preprocess makes it",
  ),
  torch_dtype: refused("--bf16 or --fp16 choose the precision"),
  train_sampling_strategy: idleAt(["random"], "samples are in random order"),
  validation_file: refused(
    "--validation_split takes the end of --text, --valid_data_path another dataset",
  ),
  validation_split_percentage: refused("--validation_split takes a part of 1: 0.05 for 5 percent"),
  wandb_log: idleAt(OFF, "--report_to tensorboard and metrics.jsonl are what is written"),
  wandb_project: refused("--report_to tensorboard and metrics.jsonl are what is written"),
};

export const FOREIGN: Readonly<Record<string, Flag<null>>> = {
  ...Object.fromEntries(
    IDLE.trim()
      .split(/\s+/)
      .map((name) => [name, idle]),
  ),
  ...CONDITIONAL,
};
