// Command lines of users of Hugging Face's Trainer, run_clm.py and nanoGPT.

import { describe, expect, test } from "@jest/globals";
import { parseFlags, UserError } from "@tessera/config";
import { program } from "./flags.js";

const parse = (line: string) => {
  const parsed = parseFlags(program, line.split(" "));
  if ("answer" in parsed) throw new Error(parsed.answer);
  return parsed;
};

/** The fields of TrainingArguments of transformers 4.46 and 5.24. */
const TRAINING_ARGUMENTS = `
  accelerator_config activation_checkpointing activation_checkpointing_kwargs adafactor adam_beta1 adam_beta2
  adam_epsilon auto_find_batch_size average_tokens_across_devices batch_eval_metrics bf16 bf16_full_eval
  data_seed dataloader_drop_last dataloader_in_order dataloader_multiprocessing_context dataloader_num_workers
  dataloader_persistent_workers dataloader_pin_memory dataloader_prefetch_factor ddp_backend
  ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters ddp_static_graph ddp_timeout debug
  deepspeed disable_tqdm dispatch_batches do_eval do_predict do_train enable_jit_checkpoint
  eval_accumulation_steps eval_delay eval_do_concat_batches eval_on_start eval_steps eval_strategy
  eval_use_gather_object evaluation_strategy fp16 fp16_backend fp16_full_eval fp16_opt_level fsdp fsdp_config
  fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap full_determinism gradient_accumulation_steps
  gradient_checkpointing gradient_checkpointing_kwargs greater_is_better group_by_length half_precision_backend
  hub_always_push hub_model_id hub_private_repo hub_revision hub_strategy hub_token ignore_data_skip
  include_for_metrics include_inputs_for_metrics include_num_input_tokens_seen include_tokens_per_second
  jit_mode_eval label_names label_smoothing_factor learning_rate length_column_name liger_kernel_config
  load_best_model_at_end local_rank log_level log_level_replica log_on_each_node logging_dir logging_first_step
  logging_nan_inf_filter logging_steps logging_strategy lr_scheduler_kwargs lr_scheduler_type max_grad_norm
  max_steps metric_for_best_model mp_parameters neftune_noise_alpha no_cuda num_train_epochs optim optim_args
  optim_target_modules output_dir overwrite_output_dir parallelism_config past_index per_device_eval_batch_size
  per_device_train_batch_size per_gpu_eval_batch_size per_gpu_train_batch_size prediction_loss_only project
  push_to_hub push_to_hub_model_id push_to_hub_organization push_to_hub_token ray_scope remove_unused_columns
  report_to restore_callback_states_from_checkpoint resume_from_checkpoint run_name save_on_each_node
  save_only_model save_safetensors save_steps save_strategy save_total_limit seed skip_memory_metrics
  split_batches tf32 torch_compile torch_compile_backend torch_compile_mode torch_empty_cache_steps torchdynamo
  tpu_metrics_debug tpu_num_cores trackio_bucket_id trackio_space_id trackio_static_space_id
  train_sampling_strategy use_cache use_cpu use_ipex use_legacy_prediction_loop use_liger_kernel use_mps_device
  warmup_ratio warmup_steps weight_decay
`
  .trim()
  .split(/\s+/);

test("every name of Trainer's is taken, or refused with what to do", () => {
  const flags = Object.values(program.groups).flatMap((group) => Object.keys(group));
  const known = new Set([
    ...flags,
    ...Object.keys(program.aliases),
    ...Object.keys(program.foreign),
  ]);
  expect(TRAINING_ARGUMENTS.filter((name) => !known.has(name))).toEqual([]);
});

test("no name stands for two things, and other names lead to flags", () => {
  const flags = Object.values(program.groups).flatMap((group) => Object.keys(group));
  const { aliases, foreign } = program;
  const all = [...flags, ...Object.keys(aliases), ...Object.keys(foreign)];
  expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
  expect(Object.values(aliases).filter((name) => !flags.includes(name))).toEqual([]);
});

test.each([
  ["--train_file book.txt --block_size 128", { text: ["book.txt"], max_len: 128 }],
  ["--save_total_limit 2 --lr 1e-4", { keep: 2, learning_rate: 1e-4 }],
  ["--save-total-limit 2 --learning-rate 1e-4", { keep: 2, learning_rate: 1e-4 }],
  ["--optim adamw_torch_fused", { optim: "adamw" }],
  ["--gradient_checkpointing", { gradient_checkpointing: true }],
  ["--gradient_checkpointing True --bf16 False", { gradient_checkpointing: true, bf16: false }],
  ["--evaluation_strategy no --save_strategy steps", { eval_strategy: "no" }],
  ["--report_to tensorboard --logging_dir runs", { report_to: true, logging_dir: "runs" }],
  ["--report_to none", { report_to: false }],
  ["--no_do_train", { do_train: false }],
  ["--batch_size=12 --max_iters=5 --min_lr=1e-5", { max_steps: 5, min_learning_rate: 1e-5 }],
  ["--data_seed 7 --seed 1", { data_seed: 7, seed: 1 }],
])("%s", (line, values) => {
  expect(parse(line)).toMatchObject({ values, idle: [] });
});

test("what changes nothing is taken and told", () => {
  const line =
    "--disable_tqdm True --run_name mine --dataloader_num_workers 4 --ddp_find_unused_parameters False " +
    "--push_to_hub False --logging_first_step --load_best_model_at_end False --do_eval";
  const { values, idle } = parse(line);
  expect(values.disable_tqdm).toBe(true);
  expect(idle).toEqual([
    "run_name",
    "dataloader_num_workers",
    "ddp_find_unused_parameters",
    "push_to_hub",
    "logging_first_step",
    "load_best_model_at_end",
    "do_eval",
  ]);
});

describe("what would change something is refused with what to do", () => {
  test.each([
    ["--report_to wandb", /^--report_to wandb: wandb is not written; tensorboard/],
    ["--report_to tensorboard wandb", /wandb is not written/],
    ["--push_to_hub", /^--push_to_hub: nothing is uploaded/],
    ["--load_best_model_at_end True", /tessera convert exports any checkpoint/],
    ["--optim adafactor", /^--optim adafactor: must be one of adamw, adam, sgd, adamw_torch/],
    ["--lr_scheduler_type reduce_lr_on_plateau", /must be one of constant, .*inverse_sqrt/],
    ["--eval_strategy epoch", /^--eval_strategy epoch: must be one of steps, no/],
    ["--fsdp full_shard", /--zero_stage 3/],
    ["--label_smoothing_factor 0.1", /no label smoothing/],
    ["--validation_file v.txt", /--validation_split/],
    ["--dataset_name wikitext", /--text FILE/],
    ["book.txt", /^book\.txt: belongs to no flag; --text book\.txt\?$/],
  ])("%s", (line, message) => {
    expect(() => parse(line)).toThrow(UserError);
    expect(() => parse(line)).toThrow(message);
  });
});
