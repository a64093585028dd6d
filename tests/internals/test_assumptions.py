"""What is assumed of other packages beyond what they document. A test that fails names the package,
its version and what has changed; ``docs/compatibility.md`` says what each is used for."""

import inspect
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from lightning.pytorch.strategies import DDPStrategy

from visionthink_pl.families import FAMILIES
from visionthink_pl.internals.lightning import collective_timeout

DOCS = Path(__file__).parents[2] / "docs" / "compatibility.md"


@dataclass(frozen=True)
class Assumed:
    """A function or class of another package, and the parameters that it is called with."""

    path: str
    parameters: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        return re.split("[.:]", self.path)[0]

    def missing(self) -> str | None:
        """What of it is not there, in words; ``None`` where all is."""
        where = f"{self.package} {version(self.package)}"
        module, _, names = self.path.partition(":")
        try:
            found = reduce(getattr, names.split("."), import_module(module))
        except (ImportError, AttributeError) as error:
            return f"{where} has no {self.path} any more: {error}"
        if not self.parameters:
            return None
        signature = inspect.signature(found).parameters
        lacking = [name for name in self.parameters if name not in signature]
        if lacking:
            return f"{where}: {self.path} takes no {', '.join(lacking)} any more"
        return None


QWEN = "transformers.models"
TEXT = ("inputs_embeds", "position_ids", "attention_mask", "cache", "use_cache")
ROPE = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
IMAGES = ("pixel_values", "image_grid_thw")
SAVER = "lightning.pytorch.callbacks:ModelCheckpoint"
LOOPS = "lightning.pytorch.loops"
TABLE = [
    Assumed("transformers:Cache.update", ("key_states", "value_states", "layer_idx", "kwargs")),
    Assumed(
        "transformers.integrations.sdpa_attention:sdpa_attention_forward",
        ("module", "query", "key", "value", "attention_mask", "scaling"),
    ),
    Assumed("transformers.masking_utils:sdpa_mask"),
    Assumed("transformers.image_utils:SizeDict", ("shortest_edge", "longest_edge")),
    Assumed(
        f"{QWEN}.qwen2_vl.image_processing_qwen2_vl:Qwen2VLImageProcessor.get_number_of_image_patches",
        ("height", "width"),
    ),
    Assumed(f"{QWEN}.qwen2_vl.modeling_qwen2_vl:Qwen2VLTextModel.forward", TEXT),
    Assumed(f"{QWEN}.qwen2_5_vl.modeling_qwen2_5_vl:Qwen2_5_VLTextModel.forward", TEXT),
    Assumed(
        f"{QWEN}.qwen3_vl.modeling_qwen3_vl:Qwen3VLTextDecoderLayer.forward",
        ("hidden_states", "position_embeddings", "attention_mask", "cache"),
    ),
    *(
        Assumed(f"{QWEN}.{name}.modeling_{name}:{model}.{method}", parameters)
        for name, model in (
            ("qwen2_vl", "Qwen2VLModel"),
            ("qwen2_5_vl", "Qwen2_5_VLModel"),
            ("qwen3_vl", "Qwen3VLModel"),
        )
        for method, parameters in (("get_rope_index", ROPE), ("get_image_features", IMAGES))
    ),
    Assumed("transformers:PreTrainedModel.activation_checkpointing_enable", ("every_n_layers",)),
    Assumed(
        "transformers.integrations.bitsandbytes:replace_with_bnb_linear",
        ("model", "modules_to_not_convert", "quantization_config"),
    ),
    Assumed("transformers.quantizers.base:HfQuantizer.remove_quantization_config", ("model",)),
    Assumed("peft.tuners.tuners_utils:check_target_module_exists", ("config", "key")),
    Assumed("peft.tuners.lora:LoraLayer.get_base_layer"),
    Assumed("peft.tuners.lora:LoraLayer.merge"),
    Assumed("peft:PeftModel.set_adapter", ("adapter_name", "inference_mode")),
    Assumed("bitsandbytes.functional:dequantize_4bit", ("A", "quant_state")),
    Assumed("bitsandbytes.nn.modules:Params4bit"),
    Assumed(f"{SAVER}._should_skip_saving_checkpoint", ("trainer",)),
    Assumed(f"{SAVER}._should_save_on_train_epoch_end", ("trainer",)),
    Assumed(f"{SAVER}._monitor_candidates", ("trainer",)),
    Assumed(f"{SAVER}._save_topk_checkpoint", ("trainer", "monitor_candidates")),
    Assumed(f"{SAVER}._save_last_checkpoint", ("trainer", "monitor_candidates")),
    Assumed(f"{SAVER}._save_checkpoint", ("trainer", "filepath")),
    Assumed(f"{SAVER}._remove_checkpoint", ("trainer", "filepath")),
    Assumed(
        f"{LOOPS}.training_epoch_loop:_TrainingEpochLoop._should_check_val_fx", ("data_fetcher",)
    ),
    Assumed("torch.distributed.distributed_c10d:_get_default_store"),
    Assumed(f"{LOOPS}.evaluation_loop:_EvaluationLoop.restarted_mid_evaluation"),
]


@pytest.mark.parametrize("assumed", TABLE, ids=lambda assumed: assumed.path)
def test_it_is_where_it_was_and_takes_what_it_took(assumed: Assumed) -> None:
    assert assumed.missing() is None


@pytest.mark.parametrize(
    ("assumed", "said"),
    [
        (Assumed("transformers:Cash.update"), "has no transformers:Cash.update any more"),
        (Assumed("transformers.nowhere:Cache"), "has no transformers.nowhere:Cache any more"),
        (
            Assumed("transformers:Cache.update", ("past",)),
            "transformers:Cache.update takes no past",
        ),
    ],
)
def test_negative_control_what_has_changed_is_named(assumed: Assumed, said: str) -> None:
    missing = assumed.missing()
    assert missing is not None and said in missing
    assert missing.startswith(f"transformers {version('transformers')}")


def test_the_page_names_each_of_them() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for assumed in TABLE:
        name = assumed.path.rpartition(":")[2].split(".")[-1]
        assert f"`{name}`" in page, f"docs/compatibility.md does not name {assumed.path}"


@pytest.mark.parametrize("attribute", ["shortest_edge", "longest_edge"])
def test_transformers_reads_the_limits_of_a_processor_by_these_names(
    qwen_checkpoint: Path, attribute: str
) -> None:
    from visionthink_pl.families import load_family

    size = load_family(qwen_checkpoint).processor.image_processor.size
    assert attribute in size, f"transformers {version('transformers')}: size has no {attribute}"


def test_transformers_keeps_language_model_tower_and_layers_where_they_were(
    qwen_checkpoint: Path,
) -> None:
    from visionthink_pl.families import load_family

    family = load_family(qwen_checkpoint)
    model = family.skeleton(qwen_checkpoint)
    names = {name for name, _ in model.named_modules()}
    needed = {"model.language_model", "model.language_model.layers.0.self_attn.q_proj"}
    needed |= {"model.language_model.rotary_emb", "model.language_model.norm"}
    needed |= {family.vision_tower, family.head}
    assert type(family) in FAMILIES.values()
    assert needed <= names, f"transformers {version('transformers')} has moved {needed - names}"


def test_bitsandbytes_has_the_switch_of_its_layout_for_cpus() -> None:
    from bitsandbytes.nn.modules import Linear4bit

    layer = Linear4bit(64, 64, quant_type="nf4")
    assert hasattr(layer, "support_avx512bf16_for_cpu"), (
        f"bitsandbytes {version('bitsandbytes')}: Linear4bit has no support_avx512bf16_for_cpu any "
        "more; does a layer that has computed without gradients still have a backward on a CPU?"
    )


def test_lightning_s_checkpoint_callback_has_its_counters() -> None:
    from lightning.pytorch.callbacks import ModelCheckpoint

    names = ["every_n_train_steps", "train_time_interval", "last_time_checked", "every_n_epochs"]
    names.append("defer_save_until_validation")
    lacking = [name for name in names if not hasattr(ModelCheckpoint(), f"_{name}")]
    assert not lacking, f"lightning {version('lightning')}: ModelCheckpoint has no _{lacking}"


def test_a_module_of_lightning_knows_its_trainer() -> None:
    from lightning import LightningModule, Trainer

    module, trainer = LightningModule(), Trainer(accelerator="cpu", logger=False)
    assert module._trainer is None, f"lightning {version('lightning')}: _trainer"
    module.trainer = trainer
    assert module._trainer is trainer, f"lightning {version('lightning')}: _trainer"


def test_ddp_knows_how_long_its_processes_wait() -> None:
    assert collective_timeout(DDPStrategy()) == timedelta(minutes=30)
    assert collective_timeout(DDPStrategy(timeout=timedelta(seconds=7))) == timedelta(seconds=7)
