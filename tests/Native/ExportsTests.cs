using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Native;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Native;

/// <summary>
/// The C interface, called as C calls it, through pointers to its functions; the built library is tested with the packages.
/// </summary>
public sealed unsafe class ExportsTests : IDisposable
{
    private const int Ok = 0, BadArgument = 1, BadData = 2, Io = 3;
    private static readonly delegate* unmanaged[Cdecl]<byte*> LastError = &Exports.LastError;
    private static readonly delegate* unmanaged[Cdecl]<byte*, int, ulong*, int> LoadModel = &Exports.Load;
    private static readonly delegate* unmanaged[Cdecl]<ulong, int> Free = &Exports.Free;
    private static readonly delegate* unmanaged[Cdecl]<ulong, long> HiddenSize = &Exports.HiddenSize;
    private static readonly delegate* unmanaged[Cdecl]<ulong, long> NumLabels = &Exports.NumLabels;
    private static readonly delegate* unmanaged[Cdecl]<ulong, byte**, long, float*, long, int> Embed = &Exports.Embed;
    private static readonly delegate* unmanaged[Cdecl]<ulong, byte**, long, float*, long, int> Predict = &Exports.Predict;
    private static readonly delegate* unmanaged[Cdecl]<ulong, byte*, int*, long, long*, int> Tokenize = &Exports.Tokenize;
    private static readonly delegate* unmanaged[Cdecl]<ulong, long, byte*> Label = &Exports.Label;
    private static readonly delegate* unmanaged[Cdecl]<byte*> Version = &Exports.Version;
    private readonly ToyModel _toy = new();
    private readonly List<nint> _texts = [];

    public void Dispose()
    {
        foreach (nint text in _texts) Marshal.FreeCoTaskMem(text);
        _toy.Dispose();
    }

    [Fact]
    public void Vectors_and_tokens_are_those_of_the_library()
    {
        ulong model = Load(_toy.Folder);
        Assert.Equal((24L, 0L), (HiddenSize(model), NumLabels(model)));
        using SequenceModel own = SequenceModel.Load(_toy.Folder);
        float[,] expected = new Embedder(own).Embed(["ACGTTGCA", "acguNNacg"]).ToArray();
        var vectors = new float[48];
        fixed (float* to = vectors)
        fixed (byte** sequences = Texts("ACGTTGCA", "acguNNacg")) Assert.Equal(Ok, Embed(model, sequences, 2, to, 48));
        Assert.Equal(expected.Cast<float>(), vectors);

        ToolRun printed = ToolRun.Of("tokenize", Write("tokens.txt", "acguRacg\n"), "--ids", "--tokenizer", ToyModel.TokenizerPath, "-q");
        int[] ids = new int[32];
        long count;
        fixed (int* to = ids) Assert.Equal(Ok, Tokenize(model, Text("acguRacg"), to, ids.Length, &count));
        Assert.Equal(printed.Text.Trim(), string.Join(' ', ids[..(int)count]));
        Assert.Equal(Ok, Free(model));
        Assert.Matches(@"^\d+\.\d+\.\d+", Marshal.PtrToStringUTF8((nint)Version())!);
    }

    [Fact]
    public void Predictions_of_a_fine_tuned_model_are_those_of_the_library()
    {
        LabelledTask task = LabelledTask.Read(Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "task"));
        string folder = Path.Combine(_toy.Folder, "..", "run");
        var recipe = new FineTuneOptions { Method = FineTuneMethod.Head, Steps = 1, MaxTokens = 32 };
        using (var run = new FineTuner(_toy.Folder, task, folder, recipe)) run.Run();
        using ClassifierModel own = ClassifierModel.Load(folder);
        Prediction expected = new Predictor(own).Predict(["ACGTTGCA"])[0];
        ulong model = Load(folder);
        Assert.Equal(2, NumLabels(model));
        float* outputs = stackalloc float[2];
        fixed (byte** sequences = Texts("ACGTTGCA")) Assert.Equal(Ok, Predict(model, sequences, 1, outputs, 2));
        Assert.Equal(expected.Outputs.ToArray(), new ReadOnlySpan<float>(outputs, 2).ToArray());
        Assert.Equal(own.Names, [Marshal.PtrToStringUTF8((nint)Label(model, 0)), Marshal.PtrToStringUTF8((nint)Label(model, 1))]);
        Assert.True(Label(model, 2) == null);
        Assert.Equal(Ok, Free(model));
    }

    [Fact]
    public void What_is_wrong_is_a_status_and_a_text_never_a_crash()
    {
        ulong model = Load(_toy.Folder);
        float* vector = stackalloc float[24];
        long count;
        fixed (byte** one = Texts("ACGT"), protein = Texts("MKVLAA?"), empty = Texts(""), lines = Texts("ACGT\nACGT"))
        fixed (byte** hole = new byte*[1])
        {
            Refused(BadArgument, "sequences is null", Embed(model, null, 1, vector, 24));
            Refused(BadArgument, "sequences[0] is null", Embed(model, hole, 1, vector, 24));
            Refused(BadArgument, "vectors is null", Embed(model, one, 1, null, 24));
            Refused(BadArgument, "length is 23: 1 sequences of 24 numbers each have 24", Embed(model, one, 1, vector, 23));
            Refused(BadArgument, "count is -1", Embed(model, one, -1, vector, 24));
            Refused(BadArgument, "model was not fine-tuned", Predict(model, one, 1, vector, 24));
            Refused(BadData, "'L' at base", Embed(model, protein, 1, vector, 24));
            Refused(BadData, "empty", Embed(model, empty, 1, vector, 24));
            Refused(BadData, "line break", Embed(model, lines, 1, vector, 24));
            Refused(BadArgument, "capacity is 1: the sequence has", Tokenize(model, one[0], (int*)vector, 1, &count));
            Assert.True(count > 1);
            Refused(BadArgument, "count is null", Tokenize(model, one[0], null, 0, null));
            Assert.Equal(Ok, Tokenize(model, one[0], null, 0, &count));
            Assert.Equal(Ok, Embed(model, one, 0, vector, 0));
            Assert.Equal(Ok, Free(model));
            // Freed, and never made.
            Refused(BadArgument, "was freed, or never was one", Embed(model, one, 1, vector, 24));
            Refused(BadArgument, "was freed, or never was one", Free(model));
            Refused(BadArgument, "was freed, or never was one", Embed(ulong.MaxValue, one, 1, vector, 24));
            Assert.Equal((-1L, -1L), (HiddenSize(model), NumLabels(model)));
            Assert.Equal(Ok, Free(0));
        }

        ulong none = 7;
        Refused(Io, "no such folder", LoadModel(Text("nowhere/at/all"), 1, &none));
        Assert.Equal(0ul, none);
        Refused(BadArgument, "model is null", LoadModel(Text(_toy.Folder), 1, null));
        Refused(BadArgument, "threads is -1", LoadModel(Text(_toy.Folder), -1, &none));
        File.WriteAllText(Path.Combine(_toy.Folder, "config.json"), "{");
        Refused(BadData, "config.json", LoadModel(Text(_toy.Folder), 1, &none));
    }

    [Fact]
    public void A_model_that_is_freed_while_threads_use_it_is_gone_when_they_have_returned()
    {
        ulong model = Load(_toy.Folder);
        const int users = 4;
        int failed = 0;
        using var atWork = new CountdownEvent(users);
        var threads = Enumerable.Range(0, users).Select(_ => new Thread(() =>
        {
            float* vector = stackalloc float[24];
            byte* text = Text("ACGTTGCATTGACCAGGTA");
            int status = Embed(model, &text, 1, vector, 24);
            if (status != Ok) Interlocked.Increment(ref failed);
            atWork.Signal();
            while (status == Ok) status = Embed(model, &text, 1, vector, 24);

            if (status != BadArgument) Interlocked.Increment(ref failed);
        })).ToList();
        threads.ForEach(thread => thread.Start());
        atWork.Wait();
        Assert.Equal(Ok, Free(model));
        threads.ForEach(thread => thread.Join());
        Assert.Equal(0, failed);
    }

    [Fact]
    public void The_header_declares_every_function_and_no_other()
    {
        string header = File.ReadAllText(Path.Combine(SharedData.Checkout, "tools", "native", "dnabert2.h"));
        IEnumerable<string> declared = Regex.Matches(header, @"^(?:const char \*|\w+ )(dnabert2_\w+)\(", RegexOptions.Multiline)
            .Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal);
        IEnumerable<string> exported = typeof(Exports).GetMethods().Select(method => method.GetCustomAttributes(false)
            .OfType<UnmanagedCallersOnlyAttribute>().SingleOrDefault()?.EntryPoint).OfType<string>().Order(StringComparer.Ordinal);
        Assert.Equal(exported, declared);
        Assert.True(exported.Count() <= 12);
    }

    private static void Refused(int status, string message, int returned)
    {
        Assert.Equal(status, returned);
        Assert.Contains(message, Marshal.PtrToStringUTF8((nint)LastError())!, StringComparison.Ordinal);
    }

    private ulong Load(string folder)
    {
        ulong model;
        Assert.True(LoadModel(Text(folder), 1, &model) == Ok, Marshal.PtrToStringUTF8((nint)LastError()));
        return model;
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_toy.Folder, "..", name);
        File.WriteAllText(path, text, Encoding.ASCII);
        return path;
    }

    private byte* Text(string text)
    {
        nint memory = Marshal.StringToCoTaskMemUTF8(text);
        lock (_texts) _texts.Add(memory);
        return (byte*)memory;
    }

    private byte*[] Texts(params string[] texts)
    {
        var pointers = new byte*[texts.Length];
        for (int i = 0; i < texts.Length; i++) pointers[i] = Text(texts[i]);
        return pointers;
    }
}
