using System.Runtime.InteropServices;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Server.Http;
using Dnabert2.Tokenizers;

namespace Dnabert2.Server.Serving;

/// <summary>Vectors of sequences.</summary>
/// <param name="Vectors">One for each sequence: [hidden].</param>
/// <param name="Tokens">The tokens that were computed, special ones included.</param>
/// <param name="Truncated">How many sequences were cut, because the client asked for it.</param>
internal readonly record struct Embedded(float[][] Vectors, long Tokens, int Truncated);

/// <summary>What a classifier says of sequences.</summary>
/// <param name="Scores">Of each sequence, that of each class: a probability, a logit, or the value of a regression.</param>
/// <param name="Truncated">As in <see cref="Embedded"/>.</param>
internal readonly record struct Classified(double[][] Scores, int Truncated);

/// <summary>Turns what clients send into jobs, and awaits them. Sequences are tokenised on the thread that the request runs on.</summary>
internal sealed class Requests(ServedModel model, ServerOptions options, WorkQueue queue)
{
    /// <summary>The most bases whose substitutions are computed for one request.</summary>
    public const int MostAttributed = 1000;

    // Nothing is cut: what is longer than the limit is refused with its length.
    private readonly EmbedOptions _whole = new()
    {
        Pooling = options.Pooling,
        MaxTokens = OptionRange.MostTogether,
        Overlap = 0,
        OnTooLong = TooLong.Error,
    };

    private readonly EmbedOptions _beginning =
        new() { Pooling = options.Pooling, MaxTokens = model.MaxInputTokens, Overlap = 0, OnTooLong = TooLong.Truncate };

    /// <summary>The vectors of sequences.</summary>
    /// <param name="inputs">Bases; lower case and U are understood, and at unknown ones a sequence is cut, as by <c>embed</c>.</param>
    /// <param name="truncate">Whether sequences that are too long are cut.</param>
    /// <param name="admitted">Takes the memory of the vectors.</param>
    /// <param name="field">What the request calls them.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RequestFault">The model gives no vectors, or a sequence is no sequence or too long.</exception>
    public async Task<Embedded> Embed(
        IReadOnlyList<string> inputs, bool truncate, Admission.Admitted admitted, string field, CancellationToken cancellation)
    {
        if (model.NoVectors is { } why) throw RequestFault.Backend($"the model gives no such vectors: {why}");
        inputs = InputCheck.Checked(inputs, options.MaxClientBatch, field);
        admitted.ReserveMore((long)inputs.Count * model.Model.HiddenSize * sizeof(float));
        EmbedJob job = Tokenised(inputs, truncate, field, cancellation, out int truncated);
        await Compute(Lane.Embed, job, cancellation);
        return new Embedded(job.Finish(), job.Tokens, truncated);
    }

    /// <summary>What the classifier says of sequences, or pairs.</summary>
    /// <param name="inputs">Bases; lower case and U are understood, unknown ones are [UNK], as with <c>predict</c>.</param>
    /// <param name="truncate">Whether sequences that are too long are cut.</param>
    /// <param name="raw">Whether logits are wanted.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RequestFault">The model has no classifier, or a sequence is no sequence or too long.</exception>
    public async Task<Classified> Classify(
        IReadOnlyList<(string First, string? Second)> inputs, bool truncate, bool raw, CancellationToken cancellation)
    {
        if (model.Classifier is not { } classifier) throw RequestFault.Backend("the model is not fine-tuned: it has no classes to predict");
        TokenSequences rows = Rows(classifier, inputs, truncate, cancellation);
        int outputs = model.Model.NumLabels;
        var job = new ClassifyJob(rows, outputs);
        await Compute(Lane.Classify, job, cancellation);
        double[][] scores = new double[inputs.Count][];
        for (int i = 0; i < scores.Length; i++)
        {
            ReadOnlySpan<float> logits = job.LogitsOf(i);
            scores[i] = new double[outputs];
            if (!raw) Strands.Average(classifier.Kind, logits, scores[i]);
            else for (int c = 0; c < outputs; c++) scores[i][c] = logits[c];
        }

        return new Classified(scores, rows.Truncated);
    }

    /// <summary>The tokens of sequences, unknown bases being [UNK], as Hugging Face's tokenizer gives them.</summary>
    /// <param name="inputs">Bases; lower case and U are understood.</param>
    /// <param name="addSpecial">Whether the tokens that begin and end a sequence are given.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RequestFault">A sequence is no sequence, or there are too many.</exception>
    public List<List<Token>> Tokenize(IReadOnlyList<string> inputs, bool addSpecial, CancellationToken cancellation)
    {
        inputs = InputCheck.Checked(inputs, options.MaxClientBatch, "inputs");
        ISequenceTokenizer tokenizer = model.Model.Tokenizer;
        SpecialTokenFrame frame = model.Model.Frame;
        var all = new List<List<Token>>(inputs.Count);
        List<int> ids = [], starts = [];
        foreach (SequenceRecord record in SequencesInMemory.Read(inputs, AmbiguousBases.Unknown, cancellation, "inputs"))
        {
            ids.Clear();
            starts.Clear();
            tokenizer.EncodeSequence(record.Sequence, ids, starts);
            if (ids.Count > options.MaxQueueTokens)
                throw RequestFault.TooLarge(
                    $"inputs[{record.Number - 1}] has {ids.Count:N0} tokens, more than {options.MaxQueueTokens:N0}");
            var tokens = new List<Token>(ids.Count + 2);
            if (addSpecial) AddSpecial(frame.Before.Span, tokens);
            for (int i = 0; i < ids.Count; i++)
            {
                tokens.Add(new Token(
                    ids[i], tokenizer.Token(ids[i]), tokenizer.IsSpecial(ids[i]), starts[i], starts[i] + tokenizer.LengthOf(ids[i])));
            }

            if (addSpecial) AddSpecial(frame.After.Span, tokens);
            all.Add(tokens);
        }

        return all;

        void AddSpecial(ReadOnlySpan<int> special, List<Token> tokens)
        {
            foreach (int id in special) tokens.Add(new Token(id, tokenizer.Token(id), true, null, null));
        }
    }

    /// <summary>The effects of all substitutions in a sequence.</summary>
    /// <param name="input">Bases.</param>
    /// <param name="class">The class whose probability counts; null: the most probable one.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RequestFault">
    /// The model has neither classes nor a likelihood, or the sequence is no sequence or too long.
    /// </exception>
    public async Task<(SubstitutionEffects Effects, string Target)> Attribute(string input, string? @class, CancellationToken cancellation)
    {
        if (model.NoAttribution is { } why) throw RequestFault.Backend($"nothing can be attributed to bases: {why}");
        IReadOnlyList<string> inputs = InputCheck.Checked([input], 1, "inputs");
        if (inputs[0].Length > MostAttributed)
            throw RequestFault.TooLarge($"inputs has {inputs[0].Length:N0} bases; substitutions are computed for at most {MostAttributed}");
        var attribution = new Attribution(
            model.Interpreted, new AttributionOptions { Class = @class, Window = MostAttributed, BatchTokens = options.MaxBatchTokens });
        SequenceRecord record = SequencesInMemory.Read(inputs, AmbiguousBases.Unknown, cancellation, "inputs")
            .Select(read => read.Copy()).Single();
        var ids = new List<int>();
        model.Model.Tokenizer.EncodeSequence(record.Sequence, ids);
        int tokens = ids.Count + model.Interpreted.SpecialTokens;
        if (tokens > model.MaxInputTokens) throw Longer("inputs", tokens);
        long passes = attribution.RunsEachMutant ? (3L * record.Length) + 1 : record.Length;
        var job = new AttributeJob(attribution, record, (int)Math.Min(int.MaxValue, passes * tokens));
        await Compute(Lane.Attribute, job, cancellation);
        if (job.Effects!.Unseen > 0)
            throw RequestFault.TooLarge(
                $"the model sees only {record.Length - job.Effects.Unseen} of the {record.Length} bases; send fewer");
        return (job.Effects, !attribution.IsOfClass ? "likelihood" : model.Interpreted.Task == TaskKind.Regression ? "value" : "class");
    }

    private async Task Compute(Lane lane, Job job, CancellationToken cancellation)
    {
        queue.Add(lane, job);
        await using CancellationTokenRegistration gone = cancellation.UnsafeRegister((_, token) => queue.Abandon(job, token), null);
        await job.Done;
    }

    private EmbedJob Tokenised(
        IReadOnlyList<string> inputs, bool truncate, string field, CancellationToken cancellation, out int truncated)
    {
        SpecialTokenFrame frame = model.Model.Frame;
        int special = frame.Before.Length + frame.After.Length, hidden = model.Model.HiddenSize;
        var tokens = new TokenisedRecord(givesStarts: false, special, model.Model.Padding);
        var ids = new List<int>();
        var pieces = new List<(int Start, int Count, int Sequence)>();
        var sequences = new PooledStrand[inputs.Count];
        truncated = 0;
        foreach (SequenceRecord record in SequencesInMemory.Read(inputs, AmbiguousBases.Split, cancellation, field))
        {
            int sequence = (int)record.Number - 1;
            if (record.IsUnknown) throw Unknown(NameOf(field, sequence));
            tokens.Set(record, model.Model.Tokenizer, truncate ? _beginning : _whole);
            if (tokens.Truncated) truncated++;
            sequences[sequence] = new PooledStrand(hidden, options.Pooling);
            foreach (Chunk chunk in tokens.Chunks)
            {
                if (!truncate && chunk.Count + special > model.MaxInputTokens)
                    throw Longer(NameOf(field, sequence), chunk.Count + special);
                pieces.Add((ids.Count + chunk.Start, chunk.Count, sequence));
            }

            ids.AddRange(CollectionsMarshal.AsSpan(tokens.Ids));
        }

        return new EmbedJob([.. ids], pieces, special, sequences);
    }

    private TokenSequences Rows(
        ClassifierModel classifier, IReadOnlyList<(string First, string? Second)> inputs, bool truncate, CancellationToken cancellation)
    {
        var texts = new List<string>(inputs.Count);
        foreach ((string first, string? second) in inputs)
        {
            texts.Add(first);
            if (second is not null) texts.Add(second);
        }

        // The limit is of sequences or pairs.
        if (inputs.Count > options.MaxClientBatch) throw InputCheck.TooMany(inputs.Count, options.MaxClientBatch);
        IReadOnlyList<string> all = InputCheck.Checked(texts, 2 * options.MaxClientBatch, "inputs");
        TokenSequences rows = classifier.NewSequences(model.MaxInputTokens);
        using IEnumerator<SequenceRecord> records =
            SequencesInMemory.Read(all, AmbiguousBases.Unknown, cancellation, "inputs").GetEnumerator();
        for (int i = 0; i < inputs.Count; i++)
        {
            byte[] first = Next(i), second = inputs[i].Second is null ? [] : Next(i);
            bool isCut = second.Length > 0 ? rows.Add(first, second) : rows.Add(first);
            if (isCut && !truncate)
                throw RequestFault.TooLarge(
                    $"inputs[{i}] has more than {model.MaxInputTokens} tokens, special ones included; send a part of it, or "
                    + "truncate: true", field: "inputs");
            if (model.Model.Padding?.FaultOf(rows[i].Length) is { } fault) throw RequestFault.Invalid($"inputs[{i}] has {fault}", "inputs");
        }

        return rows;

        byte[] Next(int row)
        {
            records.MoveNext();
            return records.Current.IsUnknown ? throw Unknown($"inputs[{row}]") : records.Current.Sequence.ToArray();
        }
    }

    private RequestFault Longer(string name, int tokens) => RequestFault.TooLarge(
        $"{name} has {tokens:N0} tokens, special ones included, and at most {model.MaxInputTokens:N0} are taken; send it in parts, or "
        + "truncate: true where the route has that", "context_length_exceeded", name);

    private static RequestFault Unknown(string name) => RequestFault.Invalid($"{name} has no A, C, G or T", name);

    private static string NameOf(string field, int index) => $"{field}[{index}]";
}
