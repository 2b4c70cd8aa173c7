using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tensor = Engine.Kernels.Tensor;

namespace Dnabert2.Interpretation;

/// <summary>Forward passes collected up to a token budget and run together, packed. For one thread.</summary>
internal sealed class PassBatch : IDisposable
{
    private readonly SequenceModel _model;
    private readonly Arena _arena;
    private readonly Tape _tape;
    private readonly Pool _mean = new(Pooling.Mean);
    private readonly SpecialTokenFrame _frame;
    private readonly RoundedBatch _rounded;
    private readonly int _budget, _special, _before;
    private readonly List<int> _ids = [], _lengths = [];
    private readonly List<ForwardPass> _passes = [];
    private float[] _values = [];
    private double[] _exponentials = [];

    /// <summary>An empty batch.</summary>
    /// <param name="model">With the heads that the passes need.</param>
    /// <param name="budget">The most tokens of a batch; a longer sequence has one to itself.</param>
    public PassBatch(SequenceModel model, int budget)
    {
        (_model, _budget, _arena) = (model, budget, new Arena(model.Backend));
        _tape = Tape.ForInference(_arena);
        _rounded = new RoundedBatch(model, cutsRows: true);
        _frame = model.Frame;
        (_before, _special) = (_frame.Before.Length, _frame.Before.Length + _frame.After.Length);
    }

    /// <summary>Tokens that have been computed, special ones included.</summary>
    public long TokensDone { get; private set; }

    /// <summary>Passes that wait to be run.</summary>
    public int Count => _passes.Count;

    /// <summary>Whether a sequence of so many tokens, special ones not counted, would go past the budget.</summary>
    public bool WouldOverflow(int tokens) => _passes.Count > 0 && _ids.Count + tokens + _special > _budget;

    /// <summary>Adds tokens with the special ones around them: <c>[CLS] tokens [SEP]</c>, or what the model has.</summary>
    public void Add(ReadOnlySpan<int> tokens, ForwardPass pass)
    {
        _ids.AddRange(_frame.Before.Span);
        _ids.AddRange(tokens);
        _ids.AddRange(_frame.After.Span);
        _lengths.Add(tokens.Length + _special);
        _passes.Add(pass);
    }

    /// <summary>Runs the passes and empties the batch.</summary>
    public void Run()
    {
        if (_passes.Count == 0) return;
        PassOutputs wanted = 0;
        foreach (ForwardPass pass in _passes) wanted |= pass.Outputs;
        _tape.Reset();
        Batch batch = _rounded.UploadPlain(_arena, CollectionsMarshal.AsSpan(_ids), CollectionsMarshal.AsSpan(_lengths));
        Variable x = _model.Encode(_tape, batch);                                               // [tokens, hidden]
        if (wanted.HasFlag(PassOutputs.Embedding))
            Share(_mean.Forward(_tape, x, batch.CuSeqlens).Data, PassOutputs.Embedding, (pass, values) => pass.Embedding = values);
        if (wanted.HasFlag(PassOutputs.Logits))
            Share(_model.ClassifyEncoded(_tape, x, batch).Data, PassOutputs.Logits, (pass, values) => pass.Logits = values);
        if (wanted.HasFlag(PassOutputs.Likelihood)) Answer(x);
        TokensDone += _ids.Count;
        _ids.Clear();
        _lengths.Clear();
        _passes.Clear();
    }

    public void Dispose() => _arena.Dispose();

    /// <summary>Gives each pass that wants it its row of [sequences, width].</summary>
    private void Share(Tensor rows, PassOutputs what, Action<ForwardPass, float[]> give)
    {
        int width = rows.Shape[1];
        ReadOnlySpan<float> values = Read(rows);
        for (int i = 0; i < _passes.Count; i++)
            if (_passes[i].Outputs.HasFlag(what)) give(_passes[i], values.Slice(i * width, width).ToArray());
    }

    /// <summary>Runs the head on the rows that are asked about, each once, and answers from the logits.</summary>
    private void Answer(Variable x)
    {
        var places = new Dictionary<int, int>();
        var rows = new List<int>();
        int start = 0;
        for (int i = 0; i < _passes.Count; start += _lengths[i++])
        {
            foreach ((int row, _) in _passes[i].Questions)
                if (places.TryAdd(start + _before + row, rows.Count)) rows.Add(start + _before + row);
        }

        if (rows.Count == 0) return;
        Tensor indices = _arena.Rent(new Shape(rows.Count), DType.I32);
        _model.Backend.Upload(CollectionsMarshal.AsSpan(rows), indices);
        Variable picked = GatherRows.Instance.Forward(_tape, x, indices);                       // [rows, hidden]
        Tensor logits = _model.PredictTargets(_tape, picked).Data;                               // [rows, vocabulary]
        int vocabulary = logits.Shape[1];
        Span<float> values = Read(logits);
        double[] normalisers = new double[rows.Count];
        for (int i = 0; i < rows.Count; i++) normalisers[i] = Normalise(values.Slice(i * vocabulary, vocabulary));
        start = 0;
        for (int i = 0; i < _passes.Count; start += _lengths[i++])
        {
            IReadOnlyList<(int Row, int Token)> questions = _passes[i].Questions;
            double[] answers = new double[questions.Count];
            for (int q = 0; q < answers.Length; q++)
            {
                int place = places[start + _before + questions[q].Row];
                answers[q] = values[(place * vocabulary) + questions[q].Token] - normalisers[place];
            }

            _passes[i].Answers = answers;
        }
    }

    /// <summary>
    /// Takes the highest logit from all of them and returns the logarithm of the sum of the exponentials of what is left.
    /// </summary>
    private double Normalise(Span<float> logits)
    {
        if (_exponentials.Length != logits.Length) _exponentials = new double[logits.Length];
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<float>(logits), logits);
        TensorPrimitives.ConvertChecked<float, double>(logits, _exponentials);
        TensorPrimitives.Exp<double>(_exponentials, _exponentials);
        // In one order: sums of TensorPrimitives depend on where the numbers lie in memory.
        double sum = 0;
        foreach (double exponential in _exponentials) sum += exponential;
        return Math.Log(sum);
    }

    private Span<float> Read(Tensor tensor)
    {
        if (_values.Length < tensor.Count) _values = new float[tensor.Count];
        Span<float> values = _values.AsSpan(0, (int)tensor.Count);
        _model.Backend.DownloadNumbers(tensor, values);
        return values;
    }
}
