"""Writes the deterministic 117M model as a checkpoint folder: the 142 tensors of the published MLM checkpoint."""
import os
import shutil
import sys

import model117m as m


def main(shared, folder):
    os.makedirs(folder, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(os.path.join(shared, "dnabert2-117m", name), os.path.join(folder, name))
    tensors = {name: array for name, array in m.generate().items()
               if not name.startswith(("bert.pooler", "classifier"))}
    m.write_safetensors(os.path.join(folder, "model.safetensors"), tensors)


if __name__ == "__main__":
    main(*sys.argv[1:])
