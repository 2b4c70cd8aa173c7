using Dnabert2.Adapters;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>
/// Writes a fine-tuned model into the folder of its run, as <see cref="ClassifierModel.Load(string, Backend?)"/> reads it.
/// </summary>
internal static class FineTunedFolder
{
    /// <summary>Where additions to weights that are in no other folder have their base: it is nobody's but the run's.</summary>
    public const string BaseFolder = "base";

    /// <summary>Writes a whole model, or the additions and the name of their base.</summary>
    /// <param name="model">The model.</param>
    /// <param name="start">What training began with.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="task">The task.</param>
    /// <param name="run">Where to.</param>
    /// <exception cref="NotFiniteNumberException">A weight is not finite; the message names its tensor.</exception>
    public static void Write(SequenceModel model, ModelSource start, FineTuneOptions options, TaskConfig task, RunFolder run)
    {
        byte[] config = task.Write(model);
        if (options.Method != FineTuneMethod.Lora)
        {
            ModelFolder.Save(model, run.Path, config, run.Disk, options.MaxTokens);
            return;
        }

        string named = start.IsBuiltIn ? ModelSource.BuiltIn : Path.GetFullPath(start.WeightFolder);
        if (model.BaseIdentity is not { } identity)
        {
            string folder = Path.Combine(run.Path, named = BaseFolder);
            run.Disk.CreateFolder(folder);
            var frozen = model.Parameters.Parameters.Where(p => p.IsFrozen).Select(p => (p.Name, p.Value)).ToList();
            TensorFile.Write(Path.Combine(folder, ModelWeights.Safetensors), model.Backend, frozen, disk: run.Disk);
            ModelFolder.SaveWithoutWeights(model, folder, config, run.Disk, options.MaxTokens);
            using Checkpoint written = Checkpoint.Open(folder);
            identity = written.EncoderIdentity();
        }

        ModelFolder.SaveWithoutWeights(model, run.Path, config, run.Disk, options.MaxTokens);
        LoraAdapter.Write(model, options.Lora, named, identity, run.Path, run.Disk);
    }
}
