using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Engine.Runtime;

namespace Dnabert2.Native;

/// <summary>A model that C has a handle of. It is disposed when it was freed and the last call that uses it has returned.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly Backend _backend;
    private readonly ClassifierModel? _classifier;
    private int _users = 1;

    private LoadedModel(Backend backend, SequenceModel model, ClassifierModel? classifier)
    {
        (_backend, Model, _classifier) = (backend, model, classifier);
        Embedder = new Embedder(model);
        Predictor = classifier is null ? null : new Predictor(classifier);
    }

    public SequenceModel Model { get; }

    public Embedder Embedder { get; }

    /// <summary>Null where the model was not fine-tuned.</summary>
    public Predictor? Predictor { get; }

    /// <summary>The names of the classes.</summary>
    public IReadOnlyList<string> Labels => _classifier is null ? [] : [.. _classifier.Names];

    /// <summary>The numbers of a prediction.</summary>
    public int Outputs => _classifier?.Model.NumLabels ?? 0;

    public static LoadedModel Load(string? folder, int threads)
    {
        Backend backend = CpuBackend.Create(threads);
        SequenceModel? model = null;
        try
        {
            ModelSource source = ModelSource.Open(folder ?? ModelSource.BuiltIn);
            ClassifierModel? classifier = source.IsFineTuned() ? ClassifierModel.Load(source, backend) : null;
            model = classifier?.Model ?? source.Load(backend, ModelParts.Encoder);
            return new LoadedModel(backend, model, classifier);
        }
        catch
        {
            model?.Dispose();
            backend.Dispose();
            throw;
        }
    }

    /// <summary>The ids of a sequence, with the special ones around them, as the command line prints them.</summary>
    public int[] Tokenize(string sequence)
    {
        var ids = new List<int>();
        SpecialTokenFrame frame = Model.Tokenizer.Frame(pair: false);
        ids.AddRange(frame.Before.Span);
        foreach (SequenceRecord record in SequencesInMemory.Read([sequence], AmbiguousBases.Unknown, CancellationToken.None))
            Model.Tokenizer.EncodeSequence(record.Sequence, ids);
        ids.AddRange(frame.After.Span);
        return [.. ids];
    }

    /// <summary>Keeps the model while a call uses it; false where it was freed and is gone.</summary>
    public bool TryEnter()
    {
        for (int users = Volatile.Read(ref _users); users > 0;)
        {
            int before = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (before == users) return true;
            users = before;
        }

        return false;
    }

    /// <summary>Ends a use, of a call or of the handle.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) > 0) return;
        Model.Dispose();
        _backend.Dispose();
    }
}
