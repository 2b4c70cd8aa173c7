using System.Text.Json;
using Dnabert2;
using Dnabert2.Hyena;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Baselines;

namespace Tests.Hyena;

/// <summary>HyenaDNA beside the published code.</summary>
public sealed class HyenaGoldenTests
{
    private const double Tolerance = 2e-5;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Each_layer_and_the_logits_equal_the_reference(bool trainable)
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.CausalHead, trainable);
        int[][] rows = run.Ids();
        Batch batch = run.Batch(rows);
        Variable x = run.Model.Backbone.Embed(run.Tape, batch);
        FilledGolden.Near(run.Golden.Expected("lm.hidden.0"), run.Read(x.Data), Tolerance, "embeddings");
        for (int i = 0; i < run.Model.Backbone.Layers.Count; i++)
        {
            x = run.Model.Backbone.Layers[i].Forward(run.Tape, x, batch.CuSeqlens);
            FilledGolden.Near(run.Golden.Expected($"lm.hidden.{i + 1}"), run.Read(x.Data), Tolerance, $"layer {i}");
        }

        x = run.Model.Backbone.NormaliseInPlace(run.Tape, x);
        FilledGolden.Near(run.Golden.Expected("lm.hidden.3"), run.Read(x.Data), Tolerance, "after the last normalisation");
        FilledGolden.Near(
            run.Golden.Expected("lm.logits"), run.Read(run.Model.LmHead!.Forward(run.Tape, x).Data), Tolerance, "logits");
    }

    [Fact]
    public void The_parts_of_the_first_mixer_equal_the_reference()
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.CausalHead, trainable: false);
        Batch batch = run.Batch([run.Ids()[0]]);
        HyenaLayer layer = run.Model.Backbone.Layers[0];
        Variable u = layer.MixerNorm.Forward(run.Tape, run.Model.Backbone.Embed(run.Tape, batch));
        float[] filter = run.Read(layer.Mixer.Filter.Forward(run.Tape, batch.CuSeqlens.Longest).Data);
        FilledGolden.Near(run.Golden.Expected("layer0.filter.row0"), filter, Tolerance, "filter");
        float[] convolved = run.Read(layer.Mixer.Convolved(run.Tape, u, batch.CuSeqlens).Data);
        FilledGolden.Near(run.Golden.Expected("layer0.short_conv.row0"), convolved, Tolerance, "short convolution");
        float[] mixed = run.Read(layer.Mixer.ForwardInPlace(run.Tape, u, default, batch.CuSeqlens).Data);
        FilledGolden.Near(run.Golden.Expected("layer0.mixer.row0"), mixed, Tolerance, "mixer");
    }

    [Fact]
    public void The_positions_and_decays_equal_the_stored_ones()
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.CausalHead, trainable: false);
        var buffers = new HyenaBuffers(run.Model.Config);
        FilledGolden.Near(run.Golden.Expected("buffers.pos_emb.z"), buffers.Positions, 1e-6, "z");
        FilledGolden.Near(run.Golden.Expected("buffers.pos_emb.t"), buffers.Times, 1e-6, "t");
        FilledGolden.Near(run.Golden.Expected("buffers.deltas"), buffers.Decays, 1e-6, "deltas");
        Tensor z = run.Tape.Rent(run.Model.Config.MaxSeqLen, run.Model.Config.EmbDim);
        run.Backend.Run(new FilterPositions(run.Model.Config.MaxSeqLen, z));
        FilledGolden.Near(buffers.Positions, run.Read(z), 1e-6, "positions");
    }

    [Fact]
    public void The_loss_and_every_gradient_of_the_language_model_equal_the_reference()
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.CausalHead);
        FilledGolden.Near(run.Golden.Number("lm_loss"), run.LanguageModel(run.Ids()), Tolerance, "loss");
        CheckGradients(run, "grad_lm.", 50);
    }

    [Fact]
    public void The_classifier_and_every_gradient_equal_the_reference_with_padding_on_the_right()
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.Classifier);
        int[][] rows = HyenaRun.WithoutPadding(run.Golden.Root.GetProperty("cls_input_ids_right_padded"));
        double loss = run.Classification(rows, run.Golden.Root.GetProperty("cls_labels"));
        FilledGolden.Near(run.Golden.Number("cls_right_loss"), loss, Tolerance, "loss");
        FilledGolden.Near(run.Golden.Expected("cls_right.logits"), run.Logits, Tolerance, "logits");
        CheckGradients(run, "grad_cls_right.", 50);
    }

    [Fact]
    public void Padding_on_the_left_is_part_of_the_sequence_as_in_the_reference()
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.Classifier);
        int[][] rows = FilledGolden.Rows(run.Golden.Root.GetProperty("cls_input_ids_left_padded"));
        double loss = run.Classification(rows, run.Golden.Root.GetProperty("cls_labels"));
        FilledGolden.Near(run.Golden.Number("cls_left_loss"), loss, Tolerance, "loss");
        FilledGolden.Near(run.Golden.Expected("cls_left.logits"), run.Logits, Tolerance, "logits");
        run.CheckSummaries("grad_cls_left", Tolerance);
    }

    [Fact]
    public void Padding_on_the_right_changes_no_result_up_to_rounding()
    {
        using var run = new HyenaRun("hyena_tiny", ModelParts.CausalHead, trainable: false);
        int[] row = run.Ids()[1], padded = [.. row, .. Enumerable.Repeat(4, 40)];
        float[] alone = run.Read(run.Model.Backbone.Forward(run.Tape, run.Batch([row])).Data),
            both = run.Read(run.Model.Backbone.Forward(run.Tape, run.Batch([padded])).Data);
        FilledGolden.Near(alone, both.AsSpan(0, alone.Length), 5e-6, "hidden states");
    }

    [Fact]
    public void Twenty_steps_follow_the_trajectory_of_the_reference()
    {
        using var run = new HyenaRun("hyena_train_cls", ModelParts.Classifier);
        JsonElement o = run.Golden.Root.GetProperty("optimizer"), batches = run.Golden.Root.GetProperty("batches");
        var optimizer = new AdamW(run.Model.Parameters, new AdamWOptions
        {
            WeightDecay = (float)o.GetProperty("weight_decay").GetDouble(),
            ClipNorm = (float)o.GetProperty("clip").GetDouble(),
        });
        var schedule = new Schedule(
            o.GetProperty("lr").GetDouble(), o.GetProperty("warmup_steps").GetInt32(), o.GetProperty("total_steps").GetInt32());
        foreach (JsonElement expected in run.Golden.Root.GetProperty("trajectory").EnumerateArray())
        {
            int step = expected.GetProperty("step").GetInt32();
            JsonElement batch = batches[step % batches.GetArrayLength()];
            double loss = run.Classification(
                HyenaRun.WithoutPadding(batch.GetProperty("input_ids_right_padded")), batch.GetProperty("labels"));
            FilledGolden.Near(expected.GetProperty("loss").GetDouble(), loss, Tolerance, $"loss of step {step}");
            Assert.Equal(expected.GetProperty("lr").GetDouble(), schedule.At(step), 1e-9);
            Assert.True(optimizer.Step(schedule.At(step), out double norm));
            FilledGolden.Near(expected.GetProperty("grad_norm").GetDouble(), norm, 1e-4, $"gradient norm of step {step}");
        }

        foreach (JsonProperty parameter in run.Golden.Root.GetProperty("final_parameters").EnumerateObject())
        {
            float[] values = run.Read(run.Find(parameter.Name).Value);
            FilledGolden.Near(
                parameter.Value.GetProperty("l2").GetDouble(), Math.Sqrt(values.Sum(v => (double)v * v)), 1e-4, parameter.Name);
        }
    }

    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("hyenadna_tiny1k_full")]
    [InlineData("hyenadna_medium450k_full")]
    public void The_published_shapes_equal_the_reference(string name) => HyenaShapes.Check(name, gradients: true);

    private static void CheckGradients(HyenaRun run, string prefix, int count)
    {
        string[] names = run.Golden.ExpectedNames(prefix);
        Assert.Equal(count, names.Length);
        foreach (string name in names)
            FilledGolden.NearInNorm(
                run.Golden.Expected(name), run.Read(run.Find(name[prefix.Length..]).Gradient), Tolerance, name);
    }
}

/// <summary>Long sequences, which take long.</summary>
[Trait("Category", "Slow")]
public sealed class LongHyenaTests
{
    [Fact]
    public void Sequences_of_32_thousand_bases_equal_the_reference()
    {
        LongTests.SkipUnlessAsked();
        HyenaShapes.Check("hyenadna_small32k_long", gradients: true);
    }

    [Fact]
    public void Sequences_of_160_thousand_bases_equal_the_reference()
    {
        LongTests.SkipUnlessAsked();
        HyenaShapes.Check("hyenadna_medium160k_long", gradients: false);
    }
}

/// <summary>Models of the published shapes beside summaries of the reference.</summary>
internal static class HyenaShapes
{
    private const double Tolerance = 1e-4;

    public static void Check(string name, bool gradients)
    {
        using (var run = new HyenaRun(name, ModelParts.CausalHead | ModelParts.Classifier, trainable: false)) Forward(run);
        if (!gradients) return;
        using var language = new HyenaRun(name, ModelParts.CausalHead);
        Assert.Equal(
            language.Golden.Root.GetProperty("parameters").GetProperty("causal_lm").GetInt64(), language.Model.Parameters.Count);
        FilledGolden.Near(language.Golden.Number("lm_loss"), language.LanguageModel(language.Ids()), Tolerance, "loss");
        language.CheckSummaries("grad_lm", Tolerance);
        using var classifier = new HyenaRun(name, ModelParts.Classifier);
        double loss = classifier.Classification(classifier.Ids(), classifier.Golden.Root.GetProperty("cls_labels"));
        FilledGolden.Near(classifier.Golden.Number("cls_loss"), loss, Tolerance, "loss of the classifier");
        classifier.CheckSummaries("grad_cls", Tolerance);
    }

    private static void Forward(HyenaRun run)
    {
        int[][] rows = run.Ids();
        Batch batch = run.Batch(rows);
        int width = run.Model.Config.DModel, length = rows[0].Length;
        Variable x = run.Model.Backbone.Embed(run.Tape, batch);
        int states = run.Model.Backbone.Layers.Count + 2;
        float[] rms = run.Golden.Numbers("layer_rms_row0"), last = run.Golden.Numbers("last_token_first8_per_layer_row0");
        for (int i = 0; i < states; i++)
        {
            if (i > 0 && i < states - 1) x = run.Model.Backbone.Layers[i - 1].ForwardInPlace(run.Tape, x, batch.CuSeqlens);
            if (i == states - 1) x = run.Model.Backbone.NormaliseInPlace(run.Tape, x);
            // The reference has no state between the last layer and the normalisation but that of the layer.
            float[] row = run.Read(x.Data)[..(length * width)];
            FilledGolden.Near(rms[i], Math.Sqrt(row.Average(v => (double)v * v)), Tolerance, $"root mean square of state {i}");
            FilledGolden.Near(
                last.AsSpan(8 * i, 8), row.AsSpan((length - 1) * width, 8), Tolerance, $"last token of state {i}");
            if (i < states - 1) continue;
            double[] mean = new double[width];
            for (int j = 0; j < row.Length; j++) mean[j % width] += row[j] / (double)length;
            FilledGolden.Near(run.Golden.Numbers("mean_pool_row0"), Array.ConvertAll(mean, v => (float)v), Tolerance, "mean");
        }

        float[] logits = run.Read(run.Model.LmHead!.Forward(run.Tape, x).Data);
        int vocabulary = run.Model.Config.VocabRows, start = 0;
        float[] lastLogits = run.Golden.Numbers("logits_last_token"), halfLogits = run.Golden.Numbers("logits_token_half");
        for (int r = 0; r < rows.Length; r++)
        {
            int end = start + rows[r].Length;
            FilledGolden.Near(
                lastLogits.AsSpan(r * vocabulary, vocabulary), logits.AsSpan((end - 1) * vocabulary, vocabulary), Tolerance, "last logits");
            FilledGolden.Near(
                halfLogits.AsSpan(r * vocabulary, vocabulary), logits.AsSpan((start + (rows[r].Length / 2)) * vocabulary, vocabulary),
                Tolerance, "logits in the middle");
            start = end;
        }

        float[] classes = run.Read(run.Model.Classifier!.Forward(run.Tape, x, batch.CuSeqlens).Data);
        FilledGolden.Near(run.Golden.Numbers("cls_logits"), classes, Tolerance, "logits of the classifier");
    }
}
