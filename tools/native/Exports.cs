using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Dnabert2.FineTuning;
using Dnabert2.Sequences;

namespace Dnabert2.Native;

/// <summary>
/// The functions of <c>dnabert2.h</c>. Nothing is thrown across the border. Handles are numbers of a table, not addresses, so that one that
/// was freed is an error: the only state that the process shares, which the C interface cannot do without.
/// </summary>
internal static unsafe class Exports
{
    private static readonly ConcurrentDictionary<ulong, LoadedModel> Models = new();
    private static readonly byte* VersionText = Utf8(
        (typeof(Exports).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "").Split('+')[0]);

    private static ulong _last;

    // Texts that the calling thread was given: they stay until its next call.
    [ThreadStatic]
    private static byte* _error, _label;

    private enum Status
    {
        Ok,
        BadArgument,
        BadData,
        Io,
        Failed,
    }

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_version", CallConvs = [typeof(CallConvCdecl)])]
    public static byte* Version() => VersionText;

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_last_error", CallConvs = [typeof(CallConvCdecl)])]
    public static byte* LastError() => _error == null ? Set(ref _error, "") : _error;

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_load", CallConvs = [typeof(CallConvCdecl)])]
    public static int Load(byte* folder, int threads, ulong* model)
    {
        if (model != null) *model = 0;
        return (int)Try(() =>
        {
            if (model == null) throw Null(nameof(model));
            if (threads is < 0 or > 1024) throw new ArgumentException($"{nameof(threads)} is {threads}: from 0 to 1024");
            ulong handle = Interlocked.Increment(ref _last);
            Models[handle] = LoadedModel.Load(folder == null ? null : Text(folder, nameof(folder)), threads);
            *model = handle;
        });
    }

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_free", CallConvs = [typeof(CallConvCdecl)])]
    public static int Free(ulong model) => (int)Try(() =>
    {
        if (model == 0) return;
        if (!Models.TryRemove(model, out LoadedModel? loaded)) throw Unknown(model);
        loaded.Dispose();
    });

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_hidden_size", CallConvs = [typeof(CallConvCdecl)])]
    public static long HiddenSize(ulong model) => Number(model, loaded => loaded.Model.HiddenSize);

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_num_labels", CallConvs = [typeof(CallConvCdecl)])]
    public static long NumLabels(ulong model) => Number(model, loaded => loaded.Outputs);

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_embed", CallConvs = [typeof(CallConvCdecl)])]
    public static int Embed(ulong model, byte** sequences, long count, float* vectors, long length) => (int)With(model, loaded =>
    {
        int width = loaded.Model.HiddenSize;
        string[] texts = Texts(sequences, count);
        Span<float> results = Results(vectors, length, count, width, nameof(vectors));
        loaded.Embedder.Embed(texts).Span.CopyTo(results);
    });

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_tokenize", CallConvs = [typeof(CallConvCdecl)])]
    public static int Tokenize(ulong model, byte* sequence, int* ids, long capacity, long* count)
    {
        if (count != null) *count = 0;
        return (int)With(model, loaded =>
        {
            if (count == null) throw Null(nameof(count));
            if (capacity < 0 || (ids == null && capacity != 0)) throw new ArgumentException($"{nameof(capacity)} is {capacity}");
            int[] all = loaded.Tokenize(Text(sequence, nameof(sequence)));
            *count = all.Length;
            if (ids == null) return;
            all.AsSpan(0, (int)Math.Min(capacity, all.Length)).CopyTo(new Span<int>(ids, all.Length));
            if (all.Length > capacity)
                throw new ArgumentException($"{nameof(capacity)} is {capacity}: the sequence has {all.Length} tokens");
        });
    }

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_predict", CallConvs = [typeof(CallConvCdecl)])]
    public static int Predict(ulong model, byte** sequences, long count, float* outputs, long length) => (int)With(model, loaded =>
    {
        if (loaded.Predictor is not { } predictor)
            throw new ArgumentException($"{nameof(model)} was not fine-tuned: it has no classes to predict");
        string[] texts = Texts(sequences, count);
        Span<float> results = Results(outputs, length, count, loaded.Outputs, nameof(outputs));
        IReadOnlyList<Prediction> predictions = predictor.Predict(texts);
        for (int i = 0; i < predictions.Count; i++) predictions[i].Outputs.Span.CopyTo(results[(i * loaded.Outputs)..]);
    });

    [UnmanagedCallersOnly(EntryPoint = "dnabert2_label", CallConvs = [typeof(CallConvCdecl)])]
    public static byte* Label(ulong model, long index)
    {
        Status status = With(model, loaded =>
        {
            if (index < 0 || index >= loaded.Labels.Count)
                throw new ArgumentException($"{nameof(index)} is {index}: the model has {loaded.Labels.Count} classes");
            Set(ref _label, loaded.Labels[(int)index]);
        });
        return status == Status.Ok ? _label : null;
    }

    private static long Number(ulong model, Func<LoadedModel, long> of)
    {
        long number = -1;
        With(model, loaded => number = of(loaded));
        return number;
    }

    private static Status With(ulong model, Action<LoadedModel> work) => Try(() =>
    {
        if (!Models.TryGetValue(model, out LoadedModel? loaded) || !loaded.TryEnter()) throw Unknown(model);
        using (loaded) work(loaded);
    });

    private static Status Try(Action work)
    {
        try
        {
            work();
            return Status.Ok;
        }
#pragma warning disable CA1031 // C knows no exceptions: each of them is a status and a text.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Set(ref _error, e.Message);
            return e switch
            {
                ArgumentException => Status.BadArgument,
                InvalidDataException or NotFiniteNumberException => Status.BadData,
                IOException or UnauthorizedAccessException => Status.Io,
                _ => Status.Failed,
            };
        }
    }

    private static string[] Texts(byte** sequences, long count)
    {
        if (sequences == null) throw Null(nameof(sequences));
        if (count < 0 || count > Array.MaxLength) throw new ArgumentException($"{nameof(count)} is {count}");
        var texts = new string[count];
        for (int i = 0; i < texts.Length; i++) texts[i] = Text(sequences[i], $"{nameof(sequences)}[{i}]");
        return texts;
    }

    private static string Text(byte* text, string name) =>
        text == null ? throw Null(name) : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    private static Span<float> Results(float* results, long length, long count, int width, string name)
    {
        if (results == null) throw Null(name);
        if (length != count * width || length > Array.MaxLength)
            throw new ArgumentException($"{nameof(length)} is {length}: {count} sequences of {width} numbers each have {count * width}");
        return new Span<float>(results, (int)length);
    }

    private static ArgumentException Null(string name) => new($"{name} is null");

    private static ArgumentException Unknown(ulong model) => new($"{nameof(model)} {model} was freed, or never was one");

    private static byte* Set(ref byte* place, string text)
    {
        NativeMemory.Free(place);
        return place = Utf8(text);
    }

    private static byte* Utf8(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        var bytes = (byte*)NativeMemory.Alloc((nuint)length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(bytes, length));
        bytes[length] = 0;
        return bytes;
    }
}
