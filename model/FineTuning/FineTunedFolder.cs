using Dnabert2.Training;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>Writes a fine-tuned model into the folder of its run, as <see cref="ClassifierModel.Load"/> reads it.</summary>
internal static class FineTunedFolder
{
    /// <summary>Where additions to new weights have their base: it is nobody's but the run's.</summary>
    public const string BaseFolder = "base";

    /// <summary>Writes a whole model, or the additions and the name of their base.</summary>
    /// <param name="model">The model.</param>
    /// <param name="start">The folder that training began with.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="task">The task.</param>
    /// <param name="run">Where to.</param>
    /// <exception cref="NotFiniteNumberException">A weight is not finite; the message names its tensor.</exception>
    public static void Write(Dnabert2Model model, string start, FineTuneOptions options, TaskConfig task, RunFolder run)
    {
        byte[] config = task.Write(model.Config);
        if (options.Method != FineTuneMethod.Lora)
        {
            ModelFolder.Save(model, run.Path, config, run.Disk);
            return;
        }

        string named = Path.GetFullPath(start) == Path.GetFullPath(Dnabert2Model.DefaultFolder) ? "default" : Path.GetFullPath(start);
        if (options.RandomInitialization)
        {
            string folder = Path.Combine(run.Path, named = BaseFolder);
            run.Disk.CreateFolder(folder);
            var frozen = model.Parameters.Parameters.Where(p => p.IsFrozen).Select(p => (p.Name, p.Value)).ToList();
            TensorFile.Write(Path.Combine(folder, "model.safetensors"), model.Backend, frozen, disk: run.Disk);
            AtomicFile.Write(Path.Combine(folder, "config.json"), ModelFolder.Config(model.Config), run.Disk);
            AtomicFile.Write(Path.Combine(folder, "tokenizer.json"), model.Tokenizer.Save, run.Disk);
        }

        AtomicFile.Write(Path.Combine(run.Path, "config.json"), config, run.Disk);
        AtomicFile.Write(Path.Combine(run.Path, "tokenizer.json"), model.Tokenizer.Save, run.Disk);
        LoraAdapter.Write(model, options.Lora, named, run.Path, run.Disk);
    }
}
